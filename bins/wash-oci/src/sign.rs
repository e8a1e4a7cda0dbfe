//! `wash oci sign`, `verify` and `generate-key`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use washlib_cli::{CommandError, GlobalArgs, Ui};
use washlib_registry::{KeyError, Network, PrivateKey, Secret, SignatureFormat};

use crate::cli::{GenerateKey, Sign, SignatureForm, Verify};
use crate::pull::public_keys;
use crate::session::Session;
use crate::{command_error, endpoint, output_file};

const PASSWORD_VARIABLE: &str = "COSIGN_PASSWORD";

#[derive(Debug, Serialize)]
struct SignData {
    digest: String,
    /// The manifests that hold the signatures.
    signatures: Vec<String>,
    key: String,
}

#[derive(Debug, Serialize)]
struct VerifyData {
    digest: String,
    reference: String,
    /// The fingerprints of the keys that signed.
    keys: Vec<String>,
}

#[derive(Debug, Serialize)]
struct KeyData {
    private_key: PathBuf,
    public_key: PathBuf,
    fingerprint: String,
}

/// The body of `sign`.
pub(crate) fn sign(args: &Sign, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    let key = private_key(&args.key, ui)?;
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    if reference.digest().is_none() {
        ui.warn("a tag can mean something else a moment later: better sign by digest");
    }
    let (subject, signatures) = session.run(async {
        let subject = session.client.resolve(&reference, &session.progress).await.map_err(command_error::registry)?;
        let mut signatures = Vec::new();
        for form in &args.format {
            let format = match form {
                SignatureForm::Bundle => SignatureFormat::Bundle,
                SignatureForm::Tag => SignatureFormat::Tag,
            };
            let signed = session.client.sign(reference.repository(), &subject, &key, format, &session.progress).await;
            signatures.push(signed.map_err(command_error::sign)?.signature.to_string());
        }
        Ok((subject, signatures))
    })?;
    ui.status("Signed", &format!("{}@{}", reference.repository(), subject.digest));
    let digest = subject.digest.to_string();
    let data = SignData { digest: digest.clone(), signatures, key: key.public().fingerprint().to_string() };
    ui.result(&digest, "Artifact signed", data)
}

/// The body of `verify`.
pub(crate) fn verify(args: &Verify, global: &GlobalArgs, ui: &Ui) -> Result<(), CommandError> {
    let reference = endpoint::reference(&args.reference)?;
    let keys = public_keys(&args.key)?;
    let session = Session::begin(global, &args.registry, &[reference.repository().registry()], ui)?;
    let repository = reference.repository();
    if keys.is_empty() && session.client.verification_rules(repository).is_empty() {
        return Err(command_error::no_keys());
    }
    let (subject, verified) = session.run(async {
        let subject = session.client.resolve(&reference, &session.progress).await.map_err(command_error::registry)?;
        let verified =
            session.client.enforce(repository, &[&subject.digest], &keys, Network::Online, &session.progress).await;
        Ok((subject, verified.map_err(command_error::verify)?))
    })?;
    let keys: Vec<String> = verified.iter().map(|by| by.key.fingerprint().to_string()).collect();
    ui.status("Verified", &format!("{repository}@{}", subject.digest));
    let digest = subject.digest.to_string();
    let data = VerifyData { digest: digest.clone(), reference: reference.to_string(), keys };
    ui.result(&digest, "The signature is valid", data)
}

/// The body of `generate-key`.
pub(crate) fn generate_key(args: &GenerateKey, ui: &Ui) -> Result<(), CommandError> {
    let with_ending = |ending: &str| {
        let mut name = args.prefix.clone().into_os_string();
        name.push(ending);
        PathBuf::from(name)
    };
    let (private_path, public_path) = (with_ending(".key"), with_ending(".pub"));
    if let Some(there) = [&private_path, &public_path].into_iter().find(|path| path.exists()) {
        return Err(command_error::key_exists(there));
    }
    let password = match password_of_environment() {
        Some(password) => password,
        None => {
            let asked = ui.ask_secret("Password for the private key", Some("Again")).map_err(CommandError::from)?;
            Secret::new(asked.ok_or_else(command_error::no_key_password)?)
        }
    };
    let made = || {
        let key = PrivateKey::generate()?;
        Ok::<_, KeyError>((key.to_encrypted_pem(&password)?, key.public()))
    };
    let (private, public) = made().map_err(CommandError::failure)?;
    output_file::write_new(&private_path, private.as_bytes(), 0o600).map_err(command_error::output)?;
    output_file::write_new(&public_path, public.to_pem().as_bytes(), 0o644).map_err(command_error::output)?;
    ui.status("Generated", &format!("{} (keep it secret) and {}", private_path.display(), public_path.display()));
    let text = public_path.display().to_string();
    let fingerprint = public.fingerprint().to_string();
    ui.result(&text, "Key pair generated", KeyData { private_key: private_path, public_key: public_path, fingerprint })
}

fn private_key(path: &Path, ui: &Ui) -> Result<PrivateKey, CommandError> {
    let text = fs_err::read_to_string(path).map_err(CommandError::failure)?;
    let password = password_of_environment();
    let read = match PrivateKey::from_pem(&text, password.as_ref()) {
        Err(KeyError::NeedsPassword) => {
            let asked = ui.ask_secret("Password of the private key", None).map_err(CommandError::from)?;
            PrivateKey::from_pem(&text, asked.map(Secret::new).as_ref())
        }
        read => read,
    };
    read.map_err(|err| command_error::private_key(err, path))
}

fn password_of_environment() -> Option<Secret> {
    std::env::var(PASSWORD_VARIABLE).ok().map(Secret::new)
}
