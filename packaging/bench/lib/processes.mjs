// Child processes that are killed whatever happens, free ports, and the processor time of others.
import { fork, spawn } from "node:child_process"
import fs from "node:fs"
import net from "node:net"
import os from "node:os"

const MICROS_PER_TICK = 10_000

const children = new Set()
const folders = new Set()

const track = (child) => {
  children.add(child)
  child.once("exit", () => children.delete(child))
  return child
}

/** Runs a program, under the account `uid`, `gid` where these are given; stdout and stderr go to the file `log`, stdin is a pipe that ends with this process. */
export const start = (program, args, { cwd, env, log, ...as }) => {
  const fd = fs.openSync(log, "a")
  try {
    const child = track(spawn(program, args, { ...as, cwd, env, stdio: ["pipe", fd, fd] }))
    // One that can not be started at all is found missing when it is asked for.
    child.on("error", (error) => fs.appendFileSync(log, `${error.message}\n`))
    return child
  } finally {
    fs.closeSync(fd)
  }
}

export const startNode = (args, where) => start(process.execPath, args, where)

export const forkModule = (file) => track(fork(file, { stdio: ["ignore", "inherit", "inherit", "ipc"] }))

/** Default settings: nothing of the caller's environment or configuration files reaches a member. */
export const cleanEnvironment = (folder) => {
  const ours = /^(QUORATE_|AI_MEMORY_|ETCD_|OTEL_|NODE_OPTIONS$)/
  const kept = Object.entries(process.env).filter(([name]) => !ours.test(name))
  return { ...Object.fromEntries(kept), XDG_CONFIG_HOME: folder }
}

export const hasExited = (child) => child.pid === undefined || child.exitCode !== null || child.signalCode !== null

export const lastLines = (file) => fs.readFileSync(file, "utf8").trimEnd().split("\n").slice(-5).join("\n")

/** An error with the last lines of its log when a member `{ node, child, log }` has ended. */
export const checkAlive = ({ child, log, node }) => {
  if (hasExited(child)) throw new Error(`${node} has ended; its last lines:\n${lastLines(log)}`)
}

export const kill = (child) =>
  new Promise((resolve) => {
    if (hasExited(child)) return resolve()
    child.once("exit", resolve)
    child.kill("SIGKILL")
  })

/** Asks it to end, and waits until it has. */
export const stop = (child) =>
  new Promise((resolve) => {
    if (hasExited(child)) return resolve()
    child.once("exit", resolve)
    child.kill("SIGTERM")
  })

/** It ends at once, with the processes that it has started, where it is a program that takes this for that. */
export const quit = (child) =>
  new Promise((resolve) => {
    if (hasExited(child)) return resolve()
    child.once("exit", resolve)
    child.kill("SIGQUIT")
  })

/** It stands still, with all its connections open, until it is told to go on. */
export const pause = (child) => void child.kill("SIGSTOP")
export const goOn = (child) => void child.kill("SIGCONT")

export const makeFolder = (parent) => {
  const folder = fs.mkdtempSync(`${parent}/quorate-bench-`)
  folders.add(folder)
  return folder
}

export const removeFolder = (folder) => {
  fs.rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  folders.delete(folder)
}

/** However this process ends (an uncaught error or Ctrl-C included), no child and no folder stays. */
export const cleanUpAtExit = () => {
  process.on("exit", () => {
    for (const child of children) child.kill("SIGKILL")
    for (const folder of folders) removeFolder(folder)
  })
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
    process.on(signal, () => process.exit(128 + os.constants.signals[signal]))
  }
}

const listen = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => resolve(server))
  })

/** `count` different ports that were free a moment ago. */
export const freePorts = async (count) => {
  const servers = await Promise.all(Array.from({ length: count }, listen))
  const ports = servers.map((server) => server.address().port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Processor time used by a process so far, in µs; NaN where there is no /proc. */
export const cpuMicros = (pid) => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1")
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return (Number(fields[11]) + Number(fields[12])) * MICROS_PER_TICK
  } catch {
    return NaN
  }
}

/** Processor time used by the whole machine so far, in µs; NaN where there is no /proc. */
export const machineMicros = () => {
  try {
    const [line] = fs.readFileSync("/proc/stat", "latin1").split("\n")
    const [user, nice, system, , , interrupt, softInterrupt] = line.trim().split(/\s+/).slice(1).map(Number)
    return (user + nice + system + interrupt + softInterrupt) * MICROS_PER_TICK
  } catch {
    return NaN
  }
}

/** Bytes of a process that are in memory; NaN where there is no /proc. */
export const residentBytes = (pid) => {
  try {
    return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(fs.readFileSync(`/proc/${pid}/status`, "latin1"))?.[1])
  } catch {
    return NaN
  }
}

/** Bytes that a process has sent to its disk so far; NaN where there is no /proc, and 0 where the disk is memory. */
export const writtenBytes = (pid) => {
  try {
    return Number(/^write_bytes: (\d+)$/m.exec(fs.readFileSync(`/proc/${pid}/io`, "utf8"))?.[1])
  } catch {
    return NaN
  }
}
