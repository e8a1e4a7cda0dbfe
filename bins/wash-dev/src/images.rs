//! Components from OCI registries: pulled as the configuration demands, verified, and kept for the builds to come.
//!
//! An image is asked for once, however often the project is built, so that the network is no part of a save. What is in
//! an image, and whether it can be served, others judge.

use bytes::Bytes;
use wash_runtime::oci::{self, ImageError};
use washlib_registry::{PullPolicy, Reference, Settings};

use crate::report::Report;

/// An image, and when its registry is asked for it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Image {
    pub(crate) reference: Reference,
    pub(crate) policy: PullPolicy,
}

/// The images of one project.
#[derive(Debug, Default)]
pub(crate) struct Images {
    pulled: Vec<(Image, Bytes)>,
}

impl Images {
    /// Pulls those of these that are not there yet, and forgets all others. Can be dropped at any time.
    pub(crate) async fn pull(
        &mut self,
        images: &[&Image],
        registries: &Settings,
        report: &Report,
    ) -> Result<(), ImageError> {
        self.pulled.retain(|(known, _)| images.contains(&known));
        let missing: Vec<_> = images.iter().filter(|image| self.get(image).is_none()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let registry = oci::Images::new(registries.clone())?;
        for image in missing {
            report.pulling(&image.reference);
            let pulled = registry.pull(&image.reference, image.policy).await?;
            report.pulled(&pulled);
            self.pulled.push(((*image).clone(), pulled.bytes));
        }
        Ok(())
    }

    /// What was pulled.
    pub(crate) fn get(&self, image: &Image) -> Option<&Bytes> {
        self.pulled.iter().find(|(known, _)| known == image).map(|(_, bytes)| bytes)
    }

    /// Lets the next pull ask again for those whose registry is to be asked each time.
    pub(crate) fn ask_again(&mut self) {
        self.pulled.retain(|(image, _)| image.policy != PullPolicy::Always);
    }
}
