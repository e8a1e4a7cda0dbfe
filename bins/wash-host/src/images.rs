//! Images of OCI registries, as the configuration and the command line ask for them.
//!
//! What an image is for is not decided here, and nothing is connected to before one is wanted.

use std::collections::HashMap;
use std::env;
use std::time::Instant;

use tokio::task::JoinSet;
use wash_runtime::oci::client::{PullPolicy, Reference};
use wash_runtime::oci::{Image, ImageError, Images};
use wash_runtime::types::LocalResources;
use washlib_cli::{CommandError, GlobalArgs};
use washlib_config::{Config, Project, Sources};
use washlib_registry::configuration;

use crate::cli::PullWhen;
use crate::command_error;
use crate::documents::{Documents, RegistryImage};
use crate::interrupts::Interrupts;
use crate::lone::LoneComponent;
use crate::report::Report;
use crate::startable::{ComponentOrigin, PullOnDemand};

/// Images that are pulled at once; each of them may have several parts.
const AT_ONCE: usize = 4;

/// What the command line says about asking registries.
pub(crate) fn policy(pull: Option<PullWhen>) -> Option<PullPolicy> {
    pull.map(|pull| match pull {
        PullWhen::Always => PullPolicy::Always,
        PullWhen::IfNotPresent => PullPolicy::IfNotPresent,
        PullWhen::Never => PullPolicy::Never,
    })
}

/// Registries as the project around the start folder describes them, or the user alone.
pub(crate) fn registries(global: &GlobalArgs, report: &Report) -> Result<Images, CommandError> {
    let start = global.start_dir().map_err(CommandError::usage)?;
    let project = Project::discover(&start).or_else(|_| Project::open(&start)).map_err(command_error::discover)?;
    let environment = env::vars_os().collect();
    let sources =
        Sources { user_config: global.user_config.as_deref(), environment: &environment, flags: Config::default() };
    let loaded = washlib_config::load(&project, sources).map_err(command_error::config)?;
    for warning in &loaded.warnings {
        report.warn(&warning.to_string());
    }
    let place = configuration::Place { root: project.root(), environment: &environment };
    let settings = configuration::settings(&loaded.config.oci, place).map_err(CommandError::usage)?;
    Images::new(settings).map_err(command_error::image)
}

/// The components of references that stand on the command line.
pub(crate) async fn components(
    images: &Images,
    references: Vec<Reference>,
    policy: PullPolicy,
    interrupts: &Interrupts,
    report: &Report,
) -> Result<Vec<LoneComponent>, CommandError> {
    let wanted = references.into_iter().map(|reference| (images.clone(), reference, policy)).collect();
    let pulled = pull(wanted, interrupts, report).await?;
    Ok(pulled.into_iter().map(|image| component(images, image, policy)).collect())
}

fn component(images: &Images, image: Image, policy: PullPolicy) -> LoneComponent {
    let path = image.reference.repository().path();
    let name = path.rsplit('/').next().unwrap_or(path).to_owned();
    // What answers later requests is what answered the first one.
    let reference = image.reference.pinned(image.digest.clone());
    let policy = if policy == PullPolicy::Never { policy } else { PullPolicy::IfNotPresent };
    let origin = PullOnDemand { images: images.clone(), reference, policy };
    LoneComponent {
        name,
        origin: ComponentOrigin::Registry(origin.into()),
        bytes: image.bytes,
        digest: Some(image.digest.to_string()),
        resources: LocalResources::default(),
    }
}

/// The images that documents name; each is pulled once.
pub(crate) async fn of_documents(
    images: &Images,
    mut wanted: Vec<RegistryImage>,
    documents: &Documents,
    interrupts: &Interrupts,
    report: &Report,
) -> Result<HashMap<RegistryImage, Image>, CommandError> {
    let mut seen = HashMap::new();
    wanted.retain(|image| seen.insert(image.clone(), ()).is_none());
    let mut pulls = Vec::with_capacity(wanted.len());
    for image in &wanted {
        let images = match image.secret.as_ref().and_then(|secret| documents.docker_config(secret)) {
            Some(config) => images.with_docker_config(config).map_err(command_error::image)?,
            None => images.clone(),
        };
        pulls.push((images, image.reference.clone(), image.policy));
    }
    let pulled = pull(pulls, interrupts, report).await?;
    Ok(wanted.into_iter().zip(pulled).collect())
}

/// Pulls, in any order, and returns what came in the order of what was wanted. The first that fails ends the others.
async fn pull(
    wanted: Vec<(Images, Reference, PullPolicy)>,
    interrupts: &Interrupts,
    report: &Report,
) -> Result<Vec<Image>, CommandError> {
    let mut pulled: Vec<Option<Image>> = wanted.iter().map(|_| None).collect();
    let mut waiting = wanted.into_iter().enumerate();
    let mut pulls: JoinSet<(usize, Result<Image, ImageError>, Instant)> = JoinSet::new();
    loop {
        while pulls.len() < AT_ONCE {
            let Some((index, (images, reference, policy))) = waiting.next() else { break };
            report.pulling(&reference);
            let begun = Instant::now();
            pulls.spawn(async move { (index, images.pull(&reference, policy).await, begun) });
        }
        let next = tokio::select! {
            next = pulls.join_next() => next,
            // Whatever has come is kept in the cache, and the rest is continued the next time.
            () = interrupts.wait() => return Err(CommandError::interrupted()),
        };
        let Some(next) = next else { return Ok(pulled.into_iter().flatten().collect()) };
        let (index, image, begun) = next.map_err(CommandError::failure)?;
        let image = image.map_err(command_error::image)?;
        report.pulled(&image, begun.elapsed());
        pulled[index] = Some(image);
    }
}
