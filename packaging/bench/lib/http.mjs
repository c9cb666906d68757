// Single requests to a member, outside of what is measured.
import http from "node:http"
import https from "node:https"

const CONTROL_TIMEOUT_MS = 10_000

/** Asks a member; with a body it posts that as JSON. Whose certificate it has is not looked at. */
export const ask = (isTls, port, path, { body, headers = {}, timeout = CONTROL_TIMEOUT_MS } = {}) =>
  new Promise((resolve, reject) => {
    const request = (isTls ? https : http).request({
      host: "127.0.0.1",
      port,
      path,
      agent: false,
      rejectUnauthorized: false,
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? headers : { "content-type": "application/json", ...headers },
      signal: AbortSignal.timeout(timeout)
    }, (response) => {
      let text = ""
      response.setEncoding("utf8").on("data", (part) => (text += part)).on("error", reject)
      response.on("end", () => resolve({ status: response.statusCode, text }))
    })
    request.on("error", reject)
    request.end(body)
  })

/** The text of an answer that has to be 200. */
export const getOk = async (isTls, port, path, options) => {
  const { status, text } = await ask(isTls, port, path, options)
  if (status !== 200) throw new Error(`${path} answered ${status}: ${text.slice(0, 200)}`)
  return text
}

export const isReady = async ({ isTls }, port) => {
  try {
    const { status, text } = await ask(isTls, port, "/health/ready")
    // A daemon is ready before it is in touch with its peers; the first write is to find its quorum.
    return status === 200 && (JSON.parse(text).checks?.peers?.ok ?? true)
  } catch {
    return false
  }
}

/** Whether something answers 200. */
export const answers = async (port, path, options) => {
  try {
    return (await ask(false, port, path, options)).status === 200
  } catch {
    return false
  }
}
