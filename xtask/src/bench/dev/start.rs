//! From the start of an up-to-date project to its first answer.

use std::time::Instant;

use anyhow::Result;

use super::project::Template;
use super::server::Server;
use super::{Bench, Samples, print_beside_build};

pub(super) fn measure(bench: &Bench) -> Result<()> {
    let template = Template::copy(bench, "start")?;
    template.build()?;
    let (mut all, mut alone) = (Samples::default(), Samples::default());
    for _ in 0..bench.rounds {
        let since = Instant::now();
        template.build()?;
        alone.push(since.elapsed().as_secs_f64() * 1000.0);
        let since = Instant::now();
        let server = Server::start_with(bench, &template.root, |command| template.apply_toolchain(command))?;
        server.client()?.get()?;
        all.push(since.elapsed().as_secs_f64() * 1000.0);
    }
    print_beside_build(
        ("start of an up-to-date project to the first answer", &all),
        ("the build command with nothing to do", &alone),
    );
    Ok(())
}
