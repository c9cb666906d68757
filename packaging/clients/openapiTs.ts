import { client } from "./generated/openapiTs/client.gen.js"
import { memoriesCreate, memoriesRecall } from "./generated/openapiTs/sdk.gen.js"

export const storeAndRecall = async (baseUrl: string, title: string): Promise<ReadonlyArray<string>> => {
  client.setConfig({ baseUrl })
  await memoriesCreate({ body: { title, content: "by openapi-ts" }, throwOnError: true })
  const { data } = await memoriesRecall({ body: { context: title }, throwOnError: true })
  return data.memories.map((memory) => memory.title)
}
