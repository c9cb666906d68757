import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import {
  accessSync,
  appendFileSync,
  chownSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { Client } from "pg"
import { freePorts, until } from "../mesh/Cluster.js"

export interface Options {
  readonly standbys: number
  /** `synchronous_standby_names` once all of the standbys stream, as in "ANY 1 (s1, s2)"; null leaves it empty. */
  readonly synchronous: string | null
  /** More lines of `postgresql.conf`, of the primary and of every standby. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A primary and its standbys, real processes on loopback; standbys count from 0 and are named s1, s2, … */
export interface Cluster {
  /** Of the primary; after `promote`, of the one that is the primary then. */
  readonly url: (database?: string) => string
  readonly urlOf: (standby: number, database?: string) => string
  /** All of them, of whom a client takes the one that can be written to. Stays as it is whoever is the primary. */
  readonly multiHostUrl: string
  /** The process and all of its children, by kill -9. */
  readonly killPrimary: () => Promise<void>
  /** The standby that has received most: what a quorum was told of is there, and may be nowhere else. */
  readonly furthest: () => Promise<number>
  /**
   * Waits until it can be written to. The other standbys that run follow it from now on. `synchronous` are the names
   * that its commits wait for, null for none; they hold from its first commit on.
   */
  readonly promote: (standby: number, synchronous: string | null) => Promise<void>
  /** What the commits of the primary wait for from now on, null for none. */
  readonly synchronous: (names: string | null) => Promise<void>
  readonly stopStandby: (standby: number) => Promise<void>
  /** Waits until it streams, where there is a primary to stream from. */
  readonly startStandby: (standby: number) => Promise<void>
  readonly createDatabase: (name: string) => Promise<void>
  readonly stop: () => Promise<void>
}

interface Account {
  readonly uid?: number
  readonly gid?: number
}

interface Server {
  readonly port: number
  readonly folder: string
  readonly runs: () => boolean
  /** Waits until it answers queries. */
  readonly start: () => Promise<void>
  /** SIGINT ends it in order, SIGQUIT at once; SIGKILL takes its children as well. */
  readonly stop: (signal: "SIGINT" | "SIGQUIT" | "SIGKILL") => Promise<void>
}

const NEEDED = ["initdb", "pg_ctl", "pg_basebackup", "postgres"]
const VERSIONS = "/usr/lib/postgresql"
const START_WITHIN_MILLIS = 30_000

const canRun = (file: string) => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const namesIn = (folder: string): ReadonlyArray<string> => {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** PostgreSQL refuses to be root: for root it is the user `postgres`, null where there is none. */
const account = (): Account | null => {
  if (process.getuid?.() !== 0) return {}
  const id = (flag: string) => Number(execFileSync("id", [flag, "postgres"], { stdio: ["ignore", "pipe", "ignore"] }))
  try {
    return { uid: id("-u"), gid: id("-g") }
  } catch {
    return null
  }
}

/** The folder of the server's programs, of the highest version; null where there are none that can be run. */
export const binaries = (): string | null => {
  if (account() === null) return null
  const versions = namesIn(VERSIONS).toSorted((a, b) => Number(b) - Number(a)).map((name) =>
    join(VERSIONS, name, "bin")
  )
  const folders = [...(process.env["PATH"] ?? "").split(delimiter).filter((folder) => folder !== ""), ...versions]
  return folders.find((folder) => NEEDED.every((name) => canRun(join(folder, name)))) ?? null
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`
const urlAt = (port: number, database = "postgres") =>
  `postgres://postgres@127.0.0.1:${port}/${encodeURIComponent(database)}`

/** Statements in one connection, each by itself; answers the rows of the last. */
const ask = async (url: string, ...statements: ReadonlyArray<string>): Promise<ReadonlyArray<unknown>> => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  // A server that ends tells its connections so: without a listener, that ends the process.
  client.on("error", () => undefined)
  await client.connect()
  try {
    let rows: ReadonlyArray<unknown> = []
    for (const statement of statements) rows = (await client.query(statement)).rows
    return rows
  } finally {
    await client.end()
  }
}

/** A query of one truth; a server that does not answer yet says no. */
const holds = async (url: string, condition: string): Promise<boolean> => {
  const rows = await ask(url, `SELECT 1 WHERE ${condition}`).catch(() => [])
  return rows.length > 0
}

const STREAMS = "FROM pg_stat_replication WHERE state = 'streaming'"

const run = (program: string, args: ReadonlyArray<string>, as: Account): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(program, args, { ...as, stdio: ["ignore", "ignore", "pipe"] })
    let said = ""
    child.stderr.on("data", (chunk) => {
      said += String(chunk)
    })
    child.once("error", reject)
    child.once("exit", (code) => code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}: ${said}`)))
  })

const childrenOf = (parent: number): ReadonlyArray<number> =>
  execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).split("\n").flatMap((line) => {
    const [pid, ppid] = line.trim().split(/\s+/).map(Number)
    return pid !== undefined && ppid === parent ? [pid] : []
  })

/** Each child has a session of its own, so no group reaches them. While it stands still, no new ones come. */
const killAll = (parent: number): void => {
  process.kill(parent, "SIGSTOP")
  const children = childrenOf(parent)
  process.kill(parent, "SIGKILL")
  for (const pid of children) {
    try {
      process.kill(pid, "SIGKILL")
    } catch {
      // It went by itself, as they do without their parent.
    }
  }
}

const serverIn = (bin: string, as: Account, folder: string, port: number): Server => {
  const log = `${folder}.log`
  let child: ChildProcess | undefined
  const runs = () => child !== undefined && child.exitCode === null && child.signalCode === null
  return {
    port,
    folder,
    runs,
    start: async () => {
      const sink = openSync(log, "a")
      const args = ["-D", folder, "-p", String(port)]
      child = spawn(join(bin, "postgres"), args, { ...as, stdio: ["ignore", sink, sink] })
      await until(`the server of ${folder} answers`, () => {
        if (!runs()) throw new Error(readFileSync(log, "utf8").slice(-2000))
        return holds(urlAt(port), "true")
      }, START_WITHIN_MILLIS)
    },
    stop: async (signal) => {
      if (child?.pid === undefined || !runs()) return
      const { pid } = child
      const gone = new Promise((resolve) => child?.once("exit", resolve))
      if (signal === "SIGKILL") killAll(pid)
      else process.kill(pid, signal)
      await gone
    }
  }
}

/** Ends what is left and removes the folder when its standard input closes: so also when this process is killed. */
const GUARD = `trap '' HUP INT TERM
cat > /dev/null
for file in "$0"/*/postmaster.pid; do
  [ ! -e "$file" ] || kill -QUIT "$(head -n 1 "$file")"
done
for file in "$0"/*/postmaster.pid; do
  tries=0
  while [ -e "$file" ] && pid=$(head -n 1 "$file") && kill -0 "$pid"; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || kill -KILL "$pid"
    [ "$tries" -lt 60 ] || break
    sleep 0.1
  done
  [ ! -e "$file" ] || ipcrm -m "$(awk 'NR == 7 { print $2 }' "$file")"
done
rm -rf "$0"`

const guard = (folder: string): () => Promise<void> => {
  const child = spawn("sh", ["-c", GUARD, folder], { stdio: ["pipe", "ignore", "ignore"], detached: true })
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
  return () => {
    child.stdin.end()
    return ended
  }
}

/** Durable as by default, and small. What it shares with its children it keeps in its folder: a kill leaves nothing. */
const configuration = (sockets: string, settings: Readonly<Record<string, string>>): string =>
  Object.entries({
    listen_addresses: "127.0.0.1",
    unix_socket_directories: sockets,
    fsync: "on",
    synchronous_commit: "on",
    shared_buffers: "32MB",
    dynamic_shared_memory_type: "mmap",
    wal_keep_size: "256MB",
    wal_retrieve_retry_interval: "100ms",
    wal_receiver_status_interval: "1s",
    ...settings
  }).map(([name, value]) => `${name} = ${literal(value)}\n`).join("")

const conninfo = (port: number, standby: number) =>
  `host=127.0.0.1 port=${port} user=postgres application_name=s${standby + 1}`

const makePrimary = async (
  bin: string,
  as: Account,
  server: Server,
  sockets: string,
  settings: Options["settings"]
) => {
  const { folder } = server
  const args = ["-D", folder, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
  await run(join(bin, "initdb"), args, as)
  appendFileSync(join(folder, "postgresql.conf"), configuration(sockets, settings ?? {}))
  await server.start()
}

const makeStandby = async (bin: string, as: Account, server: Server, from: Server, standby: number) => {
  const args = [
    "-D",
    server.folder,
    "-d",
    conninfo(from.port, standby),
    "-R",
    "-X",
    "stream",
    "-c",
    "fast",
    "--no-sync"
  ]
  await run(join(bin, "pg_basebackup"), args, as)
  await server.start()
}

/** The name of what a commit waits for holds for the commits after this. */
const setSynchronous = (server: Server, names: string) =>
  ask(urlAt(server.port), `ALTER SYSTEM SET synchronous_standby_names = ${literal(names)}`, "SELECT pg_reload_conf()")

const streaming = (primary: Server, standby: number) =>
  until(
    `s${standby + 1} streams`,
    () => holds(urlAt(primary.port), `EXISTS (SELECT ${STREAMS} AND application_name = 's${standby + 1}')`)
  )

/** What can be done to the servers of a cluster, of which the first one is the primary at first. */
const operate = (bin: string, as: Account, servers: ReadonlyArray<Server>, release: () => Promise<void>): Cluster => {
  const of = (index: number) => {
    const server = servers[index]
    if (server === undefined) throw new Error(`there is no server ${index}`)
    return server
  }
  const standby = (index: number) => of(index + 1)
  let primary = of(0)
  const others = () =>
    servers.slice(1).flatMap((server, index) => server !== primary && server.runs() ? [{ server, index }] : [])
  const follow = (index: number) => {
    const statement = `ALTER SYSTEM SET primary_conninfo = ${literal(conninfo(primary.port, index))}`
    return ask(urlAt(standby(index).port), statement, "SELECT pg_reload_conf()")
  }
  return {
    url: (database) => urlAt(primary.port, database),
    urlOf: (index, database) => urlAt(standby(index).port, database),
    multiHostUrl: `postgres://postgres@${
      servers.map(({ port }) => `127.0.0.1:${port}`).join(",")
    }/postgres?target_session_attrs=read-write`,
    killPrimary: () => primary.stop("SIGKILL"),
    furthest: async () => {
      const received = await Promise.all(
        others().map(async ({ index, server }) => {
          const [row] = await ask(urlAt(server.port), `SELECT (pg_last_wal_receive_lsn() - '0/0')::float8 AS bytes`)
          return { index, bytes: Number(new Map(Object.entries(row ?? {})).get("bytes")) }
        })
      )
      const [first] = received.toSorted((a, b) => b.bytes - a.bytes)
      if (first === undefined) throw new Error("no standby runs")
      return first.index
    },
    promote: async (index, synchronous) => {
      const server = standby(index)
      await setSynchronous(server, synchronous ?? "")
      await run(join(bin, "pg_ctl"), ["promote", "-w", "-D", server.folder], as)
      primary = server
      await until(`s${index + 1} can be written to`, () => holds(urlAt(server.port), "NOT pg_is_in_recovery()"))
      for (const other of others()) {
        await follow(other.index)
        await streaming(primary, other.index)
      }
    },
    synchronous: (names) => setSynchronous(primary, names ?? "").then(() => undefined),
    stopStandby: (index) => standby(index).stop("SIGINT"),
    startStandby: async (index) => {
      const server = standby(index)
      await server.start()
      if (!primary.runs() || server === primary) return
      await follow(index)
      await streaming(primary, index)
    },
    createDatabase: async (name) => {
      await ask(urlAt(primary.port), `CREATE DATABASE "${name.replaceAll("\"", "\"\"")}"`)
    },
    stop: async () => {
      await Promise.all(servers.map((server) => server.stop("SIGQUIT")))
      await release()
    }
  }
}

export const start = async (options: Options): Promise<Cluster> => {
  const bin = binaries()
  const as = account()
  if (bin === null || as === null) throw new Error("there is no PostgreSQL here")
  const folder = mkdtempSync(join(tmpdir(), "quorate-pg-"))
  const release = guard(folder)
  if (as.uid !== undefined && as.gid !== undefined) chownSync(folder, as.uid, as.gid)
  const ports = await freePorts(1 + options.standbys)
  const servers = ports.map((port, index) =>
    serverIn(bin, as, join(folder, index === 0 ? "primary" : `s${index}`), port)
  )
  const cluster = operate(bin, as, servers, release)
  try {
    const [primary, ...standbys] = servers
    if (primary === undefined) throw new Error("there is no port")
    await makePrimary(bin, as, primary, folder, options.settings)
    await Promise.all(standbys.map((server, index) => makeStandby(bin, as, server, primary, index)))
    for (const index of standbys.keys()) await streaming(primary, index)
    if (options.synchronous !== null) {
      await setSynchronous(primary, options.synchronous)
      await until(
        "a standby counts",
        () => holds(urlAt(primary.port), `EXISTS (SELECT ${STREAMS} AND sync_state IN ('sync', 'quorum'))`)
      )
    }
    return cluster
  } catch (error) {
    await cluster.stop()
    throw error
  }
}
