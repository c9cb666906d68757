// node pgliteServer.mjs: a PGlite in memory behind a socket of its own on loopback. Says its port in a line, ends when
// its standard input does. A PGlite is one session: connections take turns at it, each from its first message until the
// session is out of every transaction. What a connection set is put back at its next turn.
import { PGlite } from "@electric-sql/pglite"
import { createServer } from "node:net"

const CANCEL_REQUEST = 80877102
const ENCRYPTION_REQUESTS = [80877103, 80877104]
const TYPE_BYTES = 1
const LENGTH_BYTES = 4
/** What a startup message says that is no setting. */
const NO_SETTINGS = ["user", "database", "options", "replication", "client_encoding"]

const TELLS_SETTING = /(?:^|;)\s*(?:set|reset|discard)\b(?!\s+(?:local|transaction)\b)|\bset_config\b/i
const TELLS_LISTEN = /(?:^|;)\s*listen\s+("[^"]+"|\w+)/gi
const TELLS_UNLISTEN = /(?:^|;)\s*unlisten\s+("[^"]+"|\w+|\*)/gi

const db = await PGlite.create()
const connections = new Set()
/** Those who wait for their turn, in the order they came. */
const waiting = []
let holder
let settled

const literal = (text) => `'${text.replaceAll("'", "''")}'`
const identifier = (text) => `"${text.replaceAll("\"", "\"\"")}"`
const named = (word) => word.startsWith("\"") ? word.slice(1, -1) : word.toLowerCase()

const message = (type, body) => {
  const head = Buffer.alloc(TYPE_BYTES + LENGTH_BYTES)
  head.write(type, "latin1")
  head.writeInt32BE(LENGTH_BYTES + body.length, TYPE_BYTES)
  return Buffer.concat([head, body])
}
const query = (sql) => message("Q", Buffer.from(`${sql}\0`))
const SYNC = message("S", Buffer.alloc(0))

/** The messages of a text of the protocol, and what is left of it. */
const split = (bytes) => {
  const messages = []
  let at = 0
  while (bytes.length - at >= TYPE_BYTES + LENGTH_BYTES) {
    const end = at + TYPE_BYTES + bytes.readInt32BE(at + TYPE_BYTES)
    if (end > bytes.length) break
    messages.push(bytes.subarray(at, end))
    at = end
  }
  return { messages, rest: bytes.subarray(at) }
}
const typeOf = (one) => String.fromCharCode(one[0])
const textAt = (one, at) => one.toString("utf8", at, one.indexOf(0, at))

const exec = async (bytes) => split(Buffer.from(await db.execProtocolRaw(bytes))).messages

const errorIn = (messages) => messages.find((one) => typeOf(one) === "E")?.toString("utf8").replaceAll("\0", " ")

/** Runs statements of the server's own; answers the rows, each of texts. */
const say = async (sql) => {
  const messages = await exec(query(sql))
  const error = errorIn(messages)
  if (error !== undefined) console.error(`${sql}: ${error}`)
  tell(messages.filter((one) => typeOf(one) === "A"))
  return messages.filter((one) => typeOf(one) === "D").map((row) => {
    const columns = []
    let at = TYPE_BYTES + LENGTH_BYTES + 2
    while (at < row.length) {
      const length = Math.max(row.readInt32BE(at), 0)
      at += LENGTH_BYTES
      columns.push(row.toString("utf8", at, at + length))
      at += length
    }
    return columns
  })
}

/** A notification goes to everyone who listens: they share the session that hears it. */
const tell = (notifications) => {
  for (const one of notifications) {
    const channel = textAt(one, TYPE_BYTES + LENGTH_BYTES + LENGTH_BYTES)
    for (const { channels, socket } of connections) if (channels.has(channel)) socket.write(one)
  }
}

const settle = async (connection) => {
  if (settled === connection) return
  if (settled?.toldSetting && connections.has(settled)) {
    settled.toldSetting = false
    settled.settings = new Map(
      await say("SELECT name, current_setting(name) FROM pg_settings WHERE source = 'session'")
    )
  }
  const settings = [...connection.settings].map(([name, value]) =>
    `SELECT set_config(${literal(name)}, ${literal(value)}, false)`
  )
  await say(["RESET ALL", ...settings].join("; "))
  settled = connection
}

const turn = async (connection) => {
  if (holder === connection) return
  if (holder !== undefined) await new Promise((resolve) => waiting.push({ connection, resolve }))
  holder = connection
  await settle(connection)
}
const release = () => {
  const next = waiting.shift()
  holder = next?.connection
  next?.resolve()
}

/** Remembers what the text of a statement does to the session that all share. */
const note = (connection, text) => {
  if (TELLS_SETTING.test(text)) connection.toldSetting = true
  for (const [, word] of text.matchAll(TELLS_LISTEN)) connection.channels.add(named(word))
  for (const [, word] of text.matchAll(TELLS_UNLISTEN)) {
    if (word === "*") connection.channels.clear()
    else connection.channels.delete(named(word))
    connection.unlistened = true
  }
}

const stillListened = () => new Set([...connections].flatMap(({ channels }) => [...channels]))

const pass = async (connection, one) => {
  await turn(connection)
  if (connection.gone) return
  const type = typeOf(one)
  if (type === "Q") note(connection, textAt(one, TYPE_BYTES + LENGTH_BYTES))
  if (type === "P") note(connection, textAt(one, one.indexOf(0, TYPE_BYTES + LENGTH_BYTES) + 1))
  await answer(connection, await exec(one))
}

const answer = async (connection, messages) => {
  const notifications = messages.filter((one) => typeOf(one) === "A")
  tell(notifications)
  connection.socket.write(Buffer.concat(messages.filter((one) => typeOf(one) !== "A")))
  const ready = messages.findLast((one) => typeOf(one) === "Z")
  if (ready === undefined || ready.toString("latin1", TYPE_BYTES + LENGTH_BYTES) !== "I") return
  if (connection.unlistened) {
    connection.unlistened = false
    for (const channel of stillListened()) await say(`LISTEN ${identifier(channel)}`)
  }
  release()
}

/** `-c name=value` and `--name=value`, with blanks in a value behind a backslash. */
const settingsOf = (options) =>
  [...options.matchAll(/(?:-c\s*|--)([\w.-]+)=((?:\\.|[^\s\\])*)/g)].map(([, name, value]) => [
    name.replaceAll("-", "_"),
    value.replaceAll(/\\(.)/g, "$1")
  ])

const begin = async (connection, startup) => {
  const words = startup.toString("utf8", LENGTH_BYTES + LENGTH_BYTES).split("\0")
  const told = new Map()
  for (let at = 0; at + 1 < words.length && words[at] !== ""; at += 2) told.set(words[at], words[at + 1])
  connection.settings = new Map([
    ...[...told].filter(([name]) => !NO_SETTINGS.includes(name)),
    ...settingsOf(told.get("options") ?? "")
  ])
  await turn(connection)
  const [schema] = (connection.settings.get("search_path") ?? "").split(",")
  if (schema !== "") await say(`CREATE SCHEMA IF NOT EXISTS ${identifier(named(schema.trim()))}`)
  await answer(connection, await exec(startup))
}

/** The first messages of a connection have no type. */
const start = async (connection) => {
  while (!connection.started && connection.bytes.length >= LENGTH_BYTES + LENGTH_BYTES) {
    const length = connection.bytes.readInt32BE(0)
    const code = connection.bytes.readInt32BE(LENGTH_BYTES)
    if (connection.bytes.length < length) return
    const first = connection.bytes.subarray(0, length)
    connection.bytes = connection.bytes.subarray(length)
    if (ENCRYPTION_REQUESTS.includes(code)) connection.socket.write("N")
    else if (code === CANCEL_REQUEST) connection.socket.end()
    else {
      await begin(connection, first)
      connection.started = true
    }
  }
}

const work = async (connection) => {
  await start(connection)
  if (!connection.started) return
  for (;;) {
    const { messages, rest } = split(connection.bytes)
    connection.bytes = rest
    if (messages.length === 0) return
    for (const one of messages) {
      if (connection.gone) return
      if (typeOf(one) === "X") {
        connection.socket.end()
        return
      }
      await pass(connection, one)
    }
  }
}

/** Who goes in the middle of a transaction has it undone, and keeps nobody waiting. */
const leave = async (connection) => {
  connections.delete(connection)
  if (holder !== connection) return
  await exec(SYNC)
  await say("ROLLBACK")
  release()
}

const server = createServer((socket) => {
  const connection = { socket, bytes: Buffer.alloc(0), settings: new Map(), channels: new Set(), started: false }
  connections.add(connection)
  let working = Promise.resolve()
  const then = (next) => {
    working = working.then(() => next(connection)).catch((error) => {
      console.error(error)
      socket.destroy()
    })
  }
  socket.setNoDelay(true)
  socket.on("error", () => socket.destroy())
  socket.on("data", (data) => {
    connection.bytes = Buffer.concat([connection.bytes, data])
    then(work)
  })
  socket.on("close", () => {
    connection.gone = true
    then(leave)
  })
})

process.stdin.on("end", () => process.exit()).resume()
server.listen(0, "127.0.0.1", () => console.log(server.address().port))
