import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import type { Fault } from "./Chronicle.js"

/** What this machine can do to a process and its disk. */
export interface Means {
  /** How a daemon is started so that its clock can be moved by a file. */
  readonly clock: (
    file: string
  ) => { readonly nodeArgs: ReadonlyArray<string>; readonly environment: Readonly<Record<string, string>> }
  readonly setClock: (file: string, offsetMillis: number) => void
  /** Each node has a disk of its own that can be filled. */
  readonly canFill: boolean
  readonly canSlow: boolean
  /** What can not be done, or only in another way, and what would be needed for it. */
  readonly missing: ReadonlyArray<{ readonly fault: Fault; readonly what: string; readonly goesOn: string }>
}

const FAKETIME = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
  "/usr/lib/faketime/libfaketimeMT.so.1"
]

/** Looks around; `plain` uses nothing but Node, whatever there is. */
export const find = ({ clockModule, plain }: { readonly clockModule: string; readonly plain: boolean }): Means => {
  const library = plain ? undefined : FAKETIME.find((file) => fs.existsSync(file))
  const canFill = !plain && canMount()
  const canSlow = !plain && works("strace", ["-e", "trace=fsync", "true"])
  const missing: ReadonlyArray<Means["missing"][number] | false> = [
    library === undefined && {
      fault: "clock",
      what: "libfaketime is not installed: apt-get install libfaketime",
      goesOn: "the clock is moved inside of Node"
    },
    !canFill && {
      fault: "full-disk",
      what: "a disk in memory can not be mounted: run it as root",
      goesOn: "no disk is filled"
    },
    !canSlow && {
      fault: "slow-disk",
      what: "strace is not installed, or may not trace: apt-get install strace",
      goesOn: "no disk is slowed down"
    }
  ]
  return {
    clock: library === undefined
      ? (file) => ({ nodeArgs: ["--import", clockModule], environment: { QUORATE_CHAOS_CLOCK: file } })
      : (file) => ({
        nodeArgs: [],
        environment: {
          LD_PRELOAD: library,
          FAKETIME_TIMESTAMP_FILE: file,
          FAKETIME_CACHE_DURATION: "1",
          DONT_FAKE_MONOTONIC: "1"
        }
      }),
    setClock: (file, offsetMillis) => {
      const seconds = offsetMillis / 1_000
      fs.writeFileSync(file, library === undefined ? String(offsetMillis) : `${seconds < 0 ? "" : "+"}${seconds}\n`)
    },
    canFill,
    canSlow,
    missing: plain ? [] : missing.filter((each) => each !== false)
  }
}

const works = (command: string, args: ReadonlyArray<string>): boolean => {
  try {
    execFileSync(command, args, { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const canMount = (): boolean => {
  if (process.getuid?.() !== 0) return false
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-mount-"))
  const mounted = works("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder])
  if (mounted) works("umount", ["-l", folder])
  fs.rmSync(folder, { recursive: true, force: true })
  return mounted
}
