import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Protocol } from "./RemoteEmbedder.js"

/** `POST /v1/embeddings`, which many servers have: of OpenAI, vLLM, TEI, llama.cpp, LM Studio, Ollama. */
export const openai: Protocol = {
  name: "openai",
  usualUrl: undefined,
  urlOf: (base) => `${base}${new URL(base).pathname === "/" ? "/v1" : ""}/embeddings`,
  bodyOf: ({ dimensions, input, model }) => ({ model, input, ...(dimensions === undefined ? {} : { dimensions }) }),
  decode: (text) =>
    Effect.map(decode(text), ({ data }) => data.toSorted((a, b) => a.index - b.index).map(({ embedding }) => embedding))
}

const Item = Schema.Struct({ index: Schema.NonNegativeInt, embedding: Schema.Array(Schema.Finite) })

/** Each text has its number, from 0 on. */
const decode = Schema.decode(Schema.parseJson(Schema.Struct({
  data: Schema.Array(Item).pipe(
    Schema.filter((data) =>
      new Set(data.map(({ index }) => index)).size === data.length && data.every(({ index }) => index < data.length) ||
      "each index once"
    )
  )
})))
