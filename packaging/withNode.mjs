// A node of its own for the scripts of this folder that ask one.
import { spawn } from "node:child_process"

const STARTED_WITHIN_MILLIS = 30_000
const ENDED_WITHIN_MILLIS = 60_000

/** A node by a file of JavaScript, on any port and with this database, until the body has ended. */
export const withNode = async (program, db, body) => {
  const node = spawn(process.execPath, [program, "serve", "--port", "0", "--db", db, "--log-format", "json"], {
    stdio: ["ignore", "ignore", "pipe"]
  })
  const ended = new Promise((done) => node.once("exit", done))
  let said = ""
  try {
    const url = await new Promise((done, fail) => {
      node.once("error", fail)
      void ended.then((code) => fail(new Error(`the node ended with ${code}\n${said}`)))
      setTimeout(() => fail(new Error(`the node did not start\n${said}`)), STARTED_WITHIN_MILLIS).unref()
      node.stderr.setEncoding("utf8").on("data", (text) => {
        said += text
        const listening = /listening on (http:[^"\s]+)/.exec(said)
        if (listening !== null) done(listening[1])
      })
    })
    return await body(url)
  } finally {
    node.kill("SIGTERM")
    setTimeout(() => node.kill("SIGKILL"), ENDED_WITHIN_MILLIS).unref()
    await ended
  }
}
