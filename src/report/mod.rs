//! What a board sends to a log server while it boots, so that a person sees at a desk what each
//! board does. [`format`] is the format of the datagrams, which `muster watch` reads.

pub mod format;
