import * as fs from "node:fs"

/**
 * The bytes of a file that is small. Fails where there is none, where it is no regular file, and where it has more than so many
 * bytes: none of a pipe or a device is waited for, and no more is read than was asked for.
 */
export const read = (path: string, mostBytes: number): Buffer => {
  const handle = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    if (!fs.fstatSync(handle).isFile()) throw new Error("it is no regular file")
    const bytes = Buffer.alloc(mostBytes + 1)
    let length = 0
    for (let got = -1; got !== 0 && length <= mostBytes; length += got) {
      got = fs.readSync(handle, bytes, length, bytes.length - length, null)
    }
    if (length > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`)
    return bytes.subarray(0, length)
  } finally {
    fs.closeSync(handle)
  }
}
