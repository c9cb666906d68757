import * as Option from "effect/Option"
import type { Model } from "./Embedder.js"

/** Whether vectors of a model go to other nodes at all: those of the built-in one cost less to make than to read. */
export const travels = ({ id }: Pick<Model, "id">): boolean => !id.startsWith("static-")

/**
 * How a model is described to nodes of the original, from which they see whether vectors compare. None for the built-in ones:
 * nobody else has them, and to make a vector costs less than to read it.
 */
export const shippedName = ({ dimensions, id }: Pick<Model, "id" | "dimensions">): Option.Option<string> => {
  if (!travels({ id })) return Option.none()
  const { name, server = "local" } = SERVED.exec(id)?.groups ?? { name: id.startsWith("minilm-l6-v2/") ? MINILM : id }
  return Option.some(`${name} (${dimensions}-dim, ${server})`)
}

/** A model of a server: who it is, what the model is called there, and the dimensions. */
const SERVED = /^(?<server>[a-z]+):(?<name>.+?)(?:@[0-9]+)?$/
const MINILM = "all-MiniLM-L6-v2"
