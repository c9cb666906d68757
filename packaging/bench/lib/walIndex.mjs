// What SQLite has written to the log of a database, as the head of its shared memory file says: the pages since the log was begun
// anew, and those of the database.
import fs from "node:fs"

const HEAD_BYTES = 48

/** `{ frames, pages, pageBytes, log }` of a database with a log; `log` differs when it was begun anew. */
export const read = (file) => {
  const fd = fs.openSync(`${file}-shm`, "r")
  try {
    const head = Buffer.alloc(HEAD_BYTES)
    fs.readSync(fd, head, 0, HEAD_BYTES, 0)
    return parse(head)
  } finally {
    fs.closeSync(fd)
  }
}

/** The numbers stand there as this machine has them. */
export const parse = (head) => {
  const bytes = head.readUInt16LE(14)
  return {
    frames: head.readUInt32LE(16),
    pages: head.readUInt32LE(20),
    pageBytes: bytes === 1 ? 65_536 : bytes,
    log: head.toString("hex", 32, 40)
  }
}

/** Pages that were written between two looks; undefined when the log was begun anew meanwhile. */
export const framesBetween = (before, after) => before.log === after.log ? after.frames - before.frames : undefined
