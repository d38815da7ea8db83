//! The process that reads hostile content: started by the program from its own file, confined
//! before it sees the first byte, asked over a socket.

mod channel;
mod inspect;
mod place;
mod process;
mod protocol;
mod reading;
mod serve;

pub(crate) use place::{WorkerPlace, Workers};
pub(crate) use process::{HeldLayer, JudgeAnswer, LayerAnswer, LayerInput, ReadRequest};
pub use process::{WORKER_ARGUMENT, Worker, WorkerError};
pub use protocol::{ReadWhat, WorkerConfig};
pub use serve::run_worker;
