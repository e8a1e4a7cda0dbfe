//! Signatures of artifacts with a key pair, in the forms that cosign verifies; made and verified without a service.

mod attach;
mod keys;
mod statement;
mod verify;

pub use attach::{Attachment, SignError, SignatureFormat, Signed};
pub use keys::{KeyError, PrivateKey, PublicKey};
pub use verify::{Verified, VerifyError};
