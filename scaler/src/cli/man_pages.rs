//! `prewarm man-pages FOLDER`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;

use super::Cli;

/// Arguments of `prewarm man-pages`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An existing folder, like /usr/local/share/man/man1
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Writes a page for the program and one for each command.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    clap_mangen::generate_to(Cli::command(), &args.folder)
        .with_context(|| format!("cannot write man pages to {}", args.folder.display()))?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_page() {
        let folder = tempfile::tempdir().unwrap();
        run(&Args { folder: folder.path().to_owned() }).unwrap();
        for command in Cli::command().get_subcommands() {
            let page = folder.path().join(format!("prewarm-{}.1", command.get_name()));
            let text = std::fs::read_to_string(&page)
                .unwrap_or_else(|error| panic!("{}: {error}", page.display()));
            assert!(text.contains("NAME"), "{text}");
        }
        assert!(folder.path().join("prewarm.1").exists());
        let nowhere = Args { folder: folder.path().join("nowhere") };
        assert!(run(&nowhere).unwrap_err().to_string().contains("nowhere"));
    }
}
