import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Protocol } from "./RemoteEmbedder.js"

/** `POST /api/embed`. It cuts off by itself what a model does not take. */
export const ollama: Protocol = {
  name: "ollama",
  usualUrl: "http://127.0.0.1:11434",
  urlOf: (base) => `${base}/api/embed`,
  bodyOf: ({ dimensions, input, model }) => ({ model, input, ...(dimensions === undefined ? {} : { dimensions }) }),
  decode: (text) => Effect.map(decode(text), ({ embeddings }) => embeddings)
}

const decode = Schema.decode(
  Schema.parseJson(Schema.Struct({ embeddings: Schema.Array(Schema.Array(Schema.Finite)) }))
)
