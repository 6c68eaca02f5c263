use super::*;
use crate::digest::Sha256;
use crate::download::asset::Asset;
use crate::download::target;
use crate::download::writer::BUFFERS;
use crate::host::{Host, Mode};
use std::path::Path;

#[test]
fn with_few_and_many_cpus_the_file_and_its_digest_are_those_of_the_body() {
    let body: Vec<u8> = (0..40 * BUFFER).map(|i| (i / 7) as u8).collect();
    for cpus in [1, 2, 4] {
        let root = tempfile::tempdir().unwrap();
        let host = Host::new(root.path(), Mode::Perform);
        let path = Path::new("/bin/k3s");
        let mut part = PartialFile::open(&host, Asset::K3s, path, Sha256::of(&body)).unwrap();
        let mut rest = body.as_slice();
        // Each round is an attempt that ends early, and the next attempt appends to its bytes.
        for _attempt in 0..4 {
            let mut appender = Appender::for_cpus(&mut part, cpus);
            assert_eq!(appender.thread.is_some(), cpus > 2);
            for _read in 0..10 {
                let n = appender.receive(&mut rest).unwrap();
                appender.append(n).unwrap();
            }
        }
        assert_eq!((part.len(), rest.len()), (body.len() as u64, 0));
        assert!(part.is_complete());
        part.install().unwrap();
        let installed = target::installed(&host, path, Asset::K3s.mode()).unwrap();
        assert_eq!(installed, Some(Sha256::of(&body)));
    }
}

/// There are more pieces than buffers, so each buffer is used again.
#[test]
fn the_second_thread_writes_each_piece_once_and_in_order() {
    let pieces: Vec<Vec<u8>> = (1..200_u8).map(|i| vec![i; i as usize * 10]).collect();
    let whole = pieces.concat();
    let root = tempfile::tempdir().unwrap();
    let host = Host::new(root.path(), Mode::Perform);
    let path = Path::new("/bin/k3s");
    let mut part = PartialFile::open(&host, Asset::K3s, path, Sha256::of(&whole)).unwrap();
    let mut appender = Appender::for_cpus(&mut part, 4);
    for piece in &pieces {
        appender.buffer[..piece.len()].copy_from_slice(piece);
        appender.append(piece.len()).unwrap();
        assert_eq!(appender.buffer.len(), BUFFER);
    }
    assert!(appender.thread.as_ref().unwrap().buffers <= BUFFERS);
    appender.finish().unwrap();
    assert_eq!(appender.len(), whole.len() as u64);
    drop(appender);
    assert!(part.is_complete());
}
