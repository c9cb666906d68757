// What a measuring rod makes of a client's body, and the little that it checks.
import { createHash } from "node:crypto"

let lastMillis = 0
let counter = 0

/** Grows with time on one node, unique through the node's name. */
const nextStamp = (node) => {
  const now = Date.now()
  counter = now === lastMillis ? counter + 1 : 0
  lastMillis = now
  return `${now.toString(16).padStart(12, "0")}-${counter.toString(16).padStart(6, "0")}-${node}`
}

const isText = (value) => typeof value === "string" && value.length > 0

const isBody = (body) =>
  typeof body === "object" && body !== null && isText(body.title) && isText(body.content) && isText(body.source) &&
  Array.isArray(body.tags) && typeof body.priority === "number" && typeof body.confidence === "number"

/** `{ operation, text }` of a client's request body, or undefined when it is not a memory. */
export const fromBody = (bytes, node) => {
  const body = JSON.parse(bytes.toString("utf8"))
  if (!isBody(body)) return undefined
  const stamp = nextStamp(node)
  const now = Date.now()
  const operation = {
    kind: "store",
    origin: node,
    stamp,
    memory: {
      id: stamp,
      namespace: body.namespace ?? "global",
      title: body.title,
      content: body.content,
      tags: body.tags,
      priority: body.priority,
      confidence: body.confidence,
      source: body.source,
      metadata: body.metadata ?? {},
      content_hash: createHash("sha256").update(body.content).digest("hex"),
      created_at: now,
      updated_at: now
    }
  }
  return { operation, text: JSON.stringify(operation) }
}

const isOperation = (operation) =>
  typeof operation === "object" && operation !== null && isText(operation.stamp) && isText(operation.origin) &&
  isText(operation.memory?.id) && isText(operation.memory.content)

/** The entries of a peer's push, or undefined when one of them is no operation. */
export const fromPush = (bytes) => {
  const { operations } = JSON.parse(bytes.toString("utf8"))
  if (!operations.every(isOperation)) return undefined
  return operations.map((operation) => ({ operation, text: JSON.stringify(operation) }))
}

export const toPush = (texts) => `{"operations":[${texts.join(",")}]}`
