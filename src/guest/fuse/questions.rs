//! What the kernel asks, on its way to who answers.

use std::ffi::{OsStr, OsString};
use std::io;
use std::sync::mpsc::Sender;

use fuser::{
    FileHandle, Filesystem, INodeNo, InitFlags, KernelConfig, LockOwner, OpenFlags, ReplyAttr,
    ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs,
    ReplyXattr, Request,
};

/// A question, with the way back for the answer.
pub(super) enum Question {
    Lookup {
        dir: u64,
        name: OsString,
        reply: ReplyEntry,
    },
    Forget {
        inode: u64,
        times: u64,
    },
    Attributes {
        inode: u64,
        reply: ReplyAttr,
    },
    Target {
        inode: u64,
        reply: ReplyData,
    },
    Read {
        inode: u64,
        offset: u64,
        size: u32,
        reply: ReplyData,
    },
    OpenDirectory {
        inode: u64,
        reply: ReplyOpen,
    },
    List {
        inode: u64,
        open: u64,
        offset: u64,
        reply: ReplyDirectory,
    },
    ListWithAttributes {
        inode: u64,
        open: u64,
        offset: u64,
        reply: ReplyDirectoryPlus,
    },
    CloseDirectory {
        open: u64,
        reply: ReplyEmpty,
    },
    Space {
        inode: u64,
        reply: ReplyStatfs,
    },
    Xattr {
        inode: u64,
        name: OsString,
        size: u32,
        reply: ReplyXattr,
    },
    Xattrs {
        inode: u64,
        size: u32,
        reply: ReplyXattr,
    },
}

/// Takes questions and hands them on.
pub(super) struct Asker(Sender<Question>);

impl Asker {
    pub(super) fn new(sender: Sender<Question>) -> Self {
        Self(sender)
    }

    fn ask(&self, question: Question) {
        // If nobody is there any more, dropping the way back is the answer: EIO.
        drop(self.0.send(question));
    }
}

impl Filesystem for Asker {
    fn init(&mut self, _request: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // One question for a directory and all that is in it; without, many.
        let _ = config.add_capabilities(InitFlags::FUSE_DO_READDIRPLUS);
        let _ = config.add_capabilities(InitFlags::FUSE_PARALLEL_DIROPS);
        Ok(())
    }

    fn lookup(&self, _request: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        self.ask(Question::Lookup {
            dir: parent.0,
            name: name.to_owned(),
            reply,
        });
    }

    fn forget(&self, _request: &Request, inode: INodeNo, times: u64) {
        let inode = inode.0;
        self.ask(Question::Forget { inode, times });
    }

    fn getattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        _open: Option<FileHandle>,
        reply: ReplyAttr,
    ) {
        let inode = inode.0;
        self.ask(Question::Attributes { inode, reply });
    }

    fn readlink(&self, _request: &Request, inode: INodeNo, reply: ReplyData) {
        let inode = inode.0;
        self.ask(Question::Target { inode, reply });
    }

    fn read(
        &self,
        _request: &Request,
        inode: INodeNo,
        _open: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        self.ask(Question::Read {
            inode: inode.0,
            offset,
            size,
            reply,
        });
    }

    fn opendir(&self, _request: &Request, inode: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let inode = inode.0;
        self.ask(Question::OpenDirectory { inode, reply });
    }

    fn readdir(
        &self,
        _request: &Request,
        inode: INodeNo,
        open: FileHandle,
        offset: u64,
        reply: ReplyDirectory,
    ) {
        self.ask(Question::List {
            inode: inode.0,
            open: open.0,
            offset,
            reply,
        });
    }

    fn readdirplus(
        &self,
        _request: &Request,
        inode: INodeNo,
        open: FileHandle,
        offset: u64,
        reply: ReplyDirectoryPlus,
    ) {
        self.ask(Question::ListWithAttributes {
            inode: inode.0,
            open: open.0,
            offset,
            reply,
        });
    }

    fn releasedir(
        &self,
        _request: &Request,
        _inode: INodeNo,
        open: FileHandle,
        _flags: OpenFlags,
        reply: ReplyEmpty,
    ) {
        self.ask(Question::CloseDirectory {
            open: open.0,
            reply,
        });
    }

    fn statfs(&self, _request: &Request, inode: INodeNo, reply: ReplyStatfs) {
        let inode = inode.0;
        self.ask(Question::Space { inode, reply });
    }

    fn getxattr(
        &self,
        _request: &Request,
        inode: INodeNo,
        name: &OsStr,
        size: u32,
        reply: ReplyXattr,
    ) {
        self.ask(Question::Xattr {
            inode: inode.0,
            name: name.to_owned(),
            size,
            reply,
        });
    }

    fn listxattr(&self, _request: &Request, inode: INodeNo, size: u32, reply: ReplyXattr) {
        self.ask(Question::Xattrs {
            inode: inode.0,
            size,
            reply,
        });
    }
}
