//! Parses those fields of an X.509 certificate that [`super::chain`] needs (RFC 5280, DER
//! encoding).
//!
//! No certificate is trusted because of these fields. They only decide which bytes k3s would hash
//! of the server's answer to `/cacerts` (see [`super::ca`]).

use std::ops::RangeInclusive;

// Tags of DER values (ITU-T X.690).
const SEQUENCE: u8 = 0x30;
const BOOLEAN: u8 = 1;
const INTEGER: u8 = 2;
const BIT_STRING: u8 = 3;
const OCTET_STRING: u8 = 4;
const OBJECT_ID: u8 = 6;
const UTC_TIME: u8 = 23;
/// The context-specific tags of a certificate's fields `version` and `extensions`.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// The context-specific tag of `keyIdentifier` in the extension `authorityKeyIdentifier`.
const KEY_IDENTIFIER: u8 = 0x80;

/// `id-ce`, the prefix of the object identifiers of the standard extensions (RFC 5280, 4.2.1).
const ID_CE: &[u8] = &[0x55, 0x1d];
/// The object identifiers `anyExtendedKeyUsage` and `id-kp-serverAuth`.
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0x00];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// A certificate, read from its DER encoding.
pub(super) struct Certificate<'a> {
    pub der: &'a [u8],
    /// The part that the issuer signed.
    pub signed: &'a [u8],
    pub signature: &'a [u8],
    /// The contents of the signature's `AlgorithmIdentifier`.
    pub signature_algorithm: &'a [u8],
    /// The contents of the public key's `AlgorithmIdentifier`.
    pub key_algorithm: &'a [u8],
    pub key: &'a [u8],
    pub issuer: &'a [u8],
    pub subject: &'a [u8],
    /// The first and the last second of validity, in seconds since 1970.
    pub valid: RangeInclusive<i64>,
    /// The key identifier in the extension `authorityKeyIdentifier`. Empty when the certificate
    /// does not have this extension, or when the extension has no key identifier.
    pub authority_key_id: &'a [u8],
    /// The extension `subjectKeyIdentifier`. Empty when the certificate does not have this
    /// extension.
    pub subject_key_id: &'a [u8],
    /// Whether the certificate has version 3; older versions have no extensions.
    pub version_3: bool,
    /// The extension `basicConstraints`: whether the certificate is a CA, and the largest number of
    /// CAs that may be below this CA in a chain (`None`: no limit). The whole field is `None` when
    /// the certificate does not have this extension.
    pub constraints: Option<(bool, Option<u8>)>,
    /// Whether the key usage allows the certificate's key to sign certificates. It is also `true`
    /// when the certificate has no key usage.
    pub may_sign: bool,
    /// Whether the extended key usage allows the certificate in the chain of a TLS server. It is
    /// also `true` when the certificate has no extended key usage.
    pub for_servers: bool,
    /// Whether the certificate has a critical extension that k3s does not know. Then k3s rejects
    /// the certificate.
    pub unknown_critical: bool,
}

/// Reads the tag and the contents of the DER value at the beginning of `input`, and removes this
/// value from `input`. Returns `None` when the value is damaged.
fn value<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = input.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        // Three length bytes are enough for 16 MiB, and muster never reads so many bytes of
        // certificates.
        let fits = (1..=3).contains(&bytes.len());
        let length = bytes.iter().fold(0, |n, b| n << 8 | usize::from(*b));
        (fits.then_some(length)?, rest)
    };
    let (contents, rest) = rest.split_at_checked(length)?;
    *input = rest;
    Some((tag, contents))
}

/// Reads the contents of the next value. Returns `None` when the value is damaged or its tag is not
/// `tag`.
fn tagged<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    value(input).and_then(|(found, contents)| (found == tag).then_some(contents))
}

/// Reads all bytes of the next value, with its tag and length. Returns `None` when the value is
/// damaged or its tag is not `tag`.
fn whole<'a>(input: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let before = *input;
    tagged(input, tag)?;
    Some(&before[..before.len() - input.len()])
}

/// Reads a bit string as bytes. Returns `None` when the next value is not a bit string, or when the
/// last byte of the bit string has unused bits.
fn bits<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    tagged(input, BIT_STRING)?.strip_prefix(&[0])
}

impl<'a> Certificate<'a> {
    /// Parses a certificate. Returns `None` when the bytes are not a certificate.
    pub fn read(der: &'a [u8]) -> Option<Certificate<'a>> {
        let mut input = der;
        let mut certificate = tagged(&mut input, SEQUENCE)?;
        let signed = whole(&mut certificate, SEQUENCE)?;
        let signature_algorithm = tagged(&mut certificate, SEQUENCE)?;
        let signature = bits(&mut certificate)?;

        let mut fields = tagged(&mut &*signed, SEQUENCE)?;
        let version = match fields.first() {
            Some(&VERSION) => tagged(&mut tagged(&mut fields, VERSION)?, INTEGER)?,
            _ => &[0],
        };
        tagged(&mut fields, INTEGER)?; // serial number
        tagged(&mut fields, SEQUENCE)?; // the signature's algorithm, a second time
        let issuer = tagged(&mut fields, SEQUENCE)?;
        let mut validity = tagged(&mut fields, SEQUENCE)?;
        let valid = time(&mut validity)?..=time(&mut validity)?;
        let subject = tagged(&mut fields, SEQUENCE)?;
        let mut key_info = tagged(&mut fields, SEQUENCE)?;
        let key_algorithm = tagged(&mut key_info, SEQUENCE)?;
        let key = bits(&mut key_info)?;
        let mut certificate = Certificate {
            der,
            signed,
            signature,
            signature_algorithm,
            key_algorithm,
            key,
            issuer,
            subject,
            valid,
            authority_key_id: &[],
            subject_key_id: &[],
            version_3: version == [2],
            constraints: None,
            may_sign: true,
            for_servers: true,
            unknown_critical: false,
        };
        // Unique identifiers (RFC 5280, 4.1.2.8) may stand before the extensions. They are skipped.
        while !fields.is_empty() {
            let (tag, contents) = value(&mut fields)?;
            if tag == EXTENSIONS {
                certificate.read_extensions(tagged(&mut &*contents, SEQUENCE)?)?;
            }
        }
        Some(certificate)
    }

    fn read_extensions(&mut self, mut extensions: &'a [u8]) -> Option<()> {
        while !extensions.is_empty() {
            let mut extension = tagged(&mut extensions, SEQUENCE)?;
            let id = tagged(&mut extension, OBJECT_ID)?;
            let mut critical = false;
            if extension.first() == Some(&BOOLEAN) {
                critical = tagged(&mut extension, BOOLEAN)? != [0];
            }
            let mut contents = tagged(&mut extension, OCTET_STRING)?;
            let contents = &mut contents;
            match id.strip_prefix(ID_CE) {
                Some([14]) => self.subject_key_id = tagged(contents, OCTET_STRING)?,
                // `keyCertSign` is the sixth bit. A key usage in which no bit is set forbids
                // nothing.
                Some([15]) => {
                    let usage = tagged(contents, BIT_STRING)?.get(1..)?;
                    let none = usage.iter().all(|byte| *byte == 0);
                    self.may_sign = none || usage[0] & 0x04 != 0;
                }
                Some([19]) => self.constraints = Some(basic_constraints(contents)?),
                Some([35]) => {
                    let mut fields = tagged(contents, SEQUENCE)?;
                    if fields.first() == Some(&KEY_IDENTIFIER) {
                        self.authority_key_id = tagged(&mut fields, KEY_IDENTIFIER)?;
                    }
                }
                Some([37]) => self.for_servers = has_server_usage(contents)?,
                // k3s knows these extensions, but they do not matter here: subject alternative
                // names, name constraints, CRL distribution points and certificate policies.
                Some([17 | 30..=32]) => {}
                _ => self.unknown_critical |= critical,
            }
        }
        Some(())
    }
}

fn basic_constraints(input: &mut &[u8]) -> Option<(bool, Option<u8>)> {
    let mut fields = tagged(input, SEQUENCE)?;
    let mut is_ca = false;
    if fields.first() == Some(&BOOLEAN) {
        is_ca = tagged(&mut fields, BOOLEAN)? != [0];
    }
    let mut length = None;
    if !fields.is_empty() {
        let number = tagged(&mut fields, INTEGER)?;
        // A number of several bytes is replaced by 127, because no chain here is that long.
        length = Some(if number.len() == 1 { number[0] } else { 127 });
    }
    Some((is_ca, length))
}

/// Whether the extended key usage in `input` allows the use for TLS servers.
fn has_server_usage(input: &mut &[u8]) -> Option<bool> {
    let mut usages = tagged(input, SEQUENCE)?;
    let mut found = usages.is_empty();
    while !usages.is_empty() {
        let usage = tagged(&mut usages, OBJECT_ID)?;
        found |= usage == ANY_USAGE || usage == SERVER_AUTH;
    }
    Some(found)
}

/// Reads a time, `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, and returns it in seconds since 1970.
fn time(input: &mut &[u8]) -> Option<i64> {
    let (tag, text) = value(input)?;
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (year, rest) = text.split_at_checked(if tag == UTC_TIME { 2 } else { 4 })?;
    let number = |text: &str| text.parse::<u16>().ok().map(i64::from);
    let year = match (tag, number(year)?) {
        (UTC_TIME, year @ 50..) => 1900 + year,
        (UTC_TIME, year) => 2000 + year,
        (_, year) => year,
    };
    let part = |at: usize| number(rest.get(at..at + 2)?);
    let (month, day) = (part(0)?, part(2)?);
    let seconds = part(4)? * 3600 + part(6)? * 60 + part(8)?;
    Some(days(year, month, day) * 86_400 + seconds)
}

/// The number of days from 1970-01-01 to a date of the Gregorian calendar. In this computation a
/// year begins on 1 March, so that 29 February is the last day of a year.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let read = |tag: u8, text: &str| {
            let der = [&[tag, text.len() as u8], text.as_bytes()].concat();
            time(&mut &der[..])
        };
        assert_eq!(read(UTC_TIME, "700101000000Z"), Some(0));
        assert_eq!(read(UTC_TIME, "000229123456Z"), Some(951_827_696));
        assert_eq!(read(24, "20380119031408Z"), Some(1 << 31));
        assert_eq!(read(UTC_TIME, "500101000000Z"), Some(-631_152_000));
        for text in ["", "Z", "700101000000", "70010100Z", "xx0101000000Z"] {
            assert_eq!(read(UTC_TIME, text), None, "{text}");
        }
    }

    #[test]
    fn damaged_certificates_are_none() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["k3s".to_string()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let der = certificate.der();
        assert!(Certificate::read(der).is_some());
        for length in 0..der.len() {
            assert!(Certificate::read(&der[..length]).is_none(), "{length}");
        }
    }
}
