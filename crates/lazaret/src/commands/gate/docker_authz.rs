use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use lazaret_gate::DockerAuthz;
use tokio::net::{UnixListener, UnixStream};

use super::{door, stopped};
use crate::args::DockerAuthzArgs;
use crate::exit::Exit;

/// `lazaret gate docker-authz`: answers the daemon until it is told to stop.
pub fn run(args: &DockerAuthzArgs) -> Result<Exit> {
    crate::commands::runtime()?.block_on(async {
        let gate = door::open_long(&args.door).await?;
        let place = || format!("the socket {}", args.socket.display());
        let listener = bind(&args.socket).await.with_context(place)?;
        eprintln!("lazaret: Docker's authorization plugin listens on {}", args.socket.display());
        let served = Arc::new(DockerAuthz::new(Arc::clone(&gate))).serve(listener, stopped()?).await;
        gate.finish().await;
        // A socket without a program behind it makes the daemon wait before it refuses.
        let _ = fs::remove_file(&args.socket);
        served.with_context(place)?;
        anyhow::Ok(Exit::Allowed)
    })
}

/// Binds a socket that only its owner may speak to. What an ended program left there is taken away.
async fn bind(socket: &Path) -> Result<UnixListener> {
    if let Some(folder) = socket.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::symlink_metadata(socket) {
        Ok(there) if !there.file_type().is_socket() => bail!("something else lies there"),
        Ok(_) if UnixStream::connect(socket).await.is_ok() => bail!("another program answers there"),
        Ok(_) => fs::remove_file(socket)?,
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error.into()),
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}
