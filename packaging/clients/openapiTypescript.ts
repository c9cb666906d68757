import createClient from "openapi-fetch"
import type { paths } from "./generated/openapiTypescript/index.js"

export const storeAndRecall = async (baseUrl: string, title: string): Promise<ReadonlyArray<string>> => {
  const { GET, POST } = createClient<paths>({ baseUrl })
  const stored = await POST("/api/v1/memories", { body: { title, content: "by openapi-typescript" } })
  if (stored.data === undefined) throw new Error(JSON.stringify(stored.error))
  const found = await GET("/api/v1/recall", { params: { query: { context: title } } })
  if (found.data === undefined) throw new Error(JSON.stringify(found.error))
  return found.data.memories.map((memory) => memory.title)
}
