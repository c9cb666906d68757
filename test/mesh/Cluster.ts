import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { daemon } from "../daemon.js"

/** A real daemon of a real mesh, on loopback. */
export interface Member {
  readonly url: string
  readonly db: string
  readonly log: string
  readonly start: (
    options?: {
      readonly nodeArgs?: ReadonlyArray<string>
      readonly flags?: ReadonlyArray<string>
      /** The daemon of another version. */
      readonly main?: string
    }
  ) => Promise<void>
  readonly signal: (signal: NodeJS.Signals) => void
  /** Ends the process and waits for it; answers its exit code, null when a signal ended it. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>
  /** Waits for the process to end by itself. */
  readonly ended: () => Promise<number | null>
}

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

/** N daemons that know each other, in a folder of their own; `close` ends and removes everything. */
export const make = async (options: {
  readonly size: number
  readonly flags?: ReadonlyArray<string>
  readonly environment?: Readonly<Record<string, string>>
  /** Where a node, by its index, finds the others: unless given, where they are. Asked at each start. */
  readonly peers?: (urls: ReadonlyArray<string>, index: number) => ReadonlyArray<string>
}) => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-mesh-"))
  const ports = await freePorts(options.size)
  const urls = ports.map((port) => `http://127.0.0.1:${port}`)
  const members = ports.map((port, index): Member => {
    const db = join(folder, `node-${index + 1}.db`)
    const log = join(folder, `node-${index + 1}.log`)
    let child: ChildProcess | undefined
    const ended = () =>
      new Promise<number | null>((resolve) => {
        if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
          resolve(child?.exitCode ?? null)
        } else child.once("exit", (code) => resolve(code))
      })
    return {
      url: urls[index] ?? "",
      db,
      log,
      start: async (how) => {
        const sink = openSync(log, "a")
        const peers = options.peers?.(urls, index) ?? urls.filter((_, other) => other !== index)
        const federation = peers.length === 0 ? [] : ["--quorum-peers", peers.join(",")]
        child = spawn(process.execPath, [
          ...(how?.nodeArgs ?? []),
          how?.main ?? daemon,
          "serve",
          "--port",
          String(port),
          "--db",
          db,
          "--log-format",
          "json",
          ...federation,
          ...(options.flags ?? []),
          ...(how?.flags ?? [])
        ], { stdio: ["ignore", "ignore", sink], env: { ...process.env, ...options.environment } })
        await until(`node ${index + 1} answers (see ${log})`, async () => {
          if (child?.exitCode !== null) throw new Error(readFileSync(log, "utf8").slice(-2000))
          return (await call(urls[index] ?? "", "GET", "/health/live").catch(() => undefined))?.status === 200
        }, 30_000)
      },
      signal: (signal) => {
        child?.kill(signal)
      },
      stop: (signal = "SIGKILL") => {
        const gone = ended()
        child?.kill(signal)
        if (signal === "SIGKILL") child?.kill("SIGCONT")
        return gone
      },
      ended
    }
  })
  return {
    members,
    close: async () => {
      await Promise.all(members.map((member) => member.stop()))
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

/** One request; a body makes it JSON. */
export const call = async (
  url: string,
  method: string,
  path: string,
  options: { readonly body?: unknown; readonly headers?: Record<string, string>; readonly timeoutMillis?: number } = {}
): Promise<Answer> => {
  const response = await fetch(`${url}${path}`, {
    method,
    headers: { ...(options.body === undefined ? {} : { "content-type": "application/json" }), ...options.headers },
    ...(options.body === undefined ? {} : { body: JSON.stringify(options.body) }),
    signal: AbortSignal.timeout(options.timeoutMillis ?? 10_000)
  })
  const text = await response.text()
  const parsed: unknown = text.startsWith("{") ? JSON.parse(text) : { text }
  return { status: response.status, headers: response.headers, body: isRecord(parsed) ? parsed : {} }
}

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null

/** Waits until `probe` answers true; fails with `what` when it does not within the time. */
export const until = async (what: string, probe: () => Promise<boolean>, withinMillis = 15_000): Promise<number> => {
  const begin = performance.now()
  for (;;) {
    if (await probe()) return performance.now() - begin
    if (performance.now() - begin > withinMillis) throw new Error(`not within ${withinMillis} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Waits until every member has met all the others: a write before that may miss its quorum. */
export const inTouch = async (members: ReadonlyArray<Member>) => {
  const peers = members.length - 1
  for (const { url } of members) {
    await until(`${url} is in touch with its peers`, async () => {
      const { body } = await call(url, "GET", "/health/ready")
      return JSON.stringify(body).includes(`"${peers} of ${peers} answer"`)
    })
  }
}

/** Everything a node shows, by id, without what belongs to that node alone. */
export const contents = async (member: Member, namespace: string): Promise<ReadonlyMap<string, string>> => {
  const { body } = await call(
    member.url,
    "GET",
    `/api/v1/memories?namespace=${encodeURIComponent(namespace)}&limit=1000`
  )
  const memories = Array.isArray(body["memories"]) ? body["memories"] : []
  return new Map(memories.map((memory: Record<string, unknown>) => {
    const { access_count: _count, last_accessed_at: _accessed, ...shared } = memory
    return [String(memory["id"]), JSON.stringify(shared)]
  }))
}

/** What a node holds, as it tells its peers. */
export const vector = async (member: Member): Promise<string> => {
  const { body } = await call(member.url, "GET", "/api/v1/sync/hello")
  const held = isRecord(body["vector"]) ? body["vector"] : {}
  return JSON.stringify(Object.entries(held).sort(([a], [b]) => a < b ? -1 : 1))
}

/** Ports that nobody else gets until they are released. */
export const reservePorts = async (
  count: number
): Promise<{ readonly ports: ReadonlyArray<number>; readonly release: () => void }> => {
  const servers = await Promise.all(
    Array.from({ length: count }, () =>
      new Promise<{ port: number; close: () => void }>((resolve, reject) => {
        const server = createServer()
        server.once("error", reject)
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          if (address === null || typeof address === "string") return reject(new Error("no port"))
          resolve({ port: address.port, close: () => server.close() })
        })
      }))
  )
  return {
    ports: servers.map(({ port }) => port),
    release: () => {
      for (const server of servers) server.close()
    }
  }
}

export const freePorts = async (count: number): Promise<ReadonlyArray<number>> => {
  const { ports, release } = await reservePorts(count)
  release()
  return ports
}

/** Runs the command to its end. */
export const run = (args: ReadonlyArray<string>): Promise<{ readonly code: number | null; readonly stderr: string }> =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, [daemon, ...args], { stdio: ["ignore", "ignore", "pipe"] })
    let stderr = ""
    child.stderr.on("data", (chunk) => {
      stderr += String(chunk)
    })
    child.once("exit", (code) => resolve({ code, stderr }))
  })
