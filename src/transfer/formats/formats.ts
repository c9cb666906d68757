import type { Format } from "../Row.js"
import { chatgpt } from "./chatgpt.js"
import { claude } from "./claude.js"
import { letta } from "./letta.js"
import { mcpMemory } from "./mcpMemory.js"
import { mem0 } from "./mem0.js"
import { quorate } from "./quorate.js"
import { zep } from "./zep.js"

/** What is made of JSON. Each piece belongs to the first that knows it. */
export const formats: ReadonlyArray<Format> = [quorate, mcpMemory, mem0, chatgpt, claude, letta, zep]

/** Names of all that can be read. */
export const names: ReadonlyArray<string> = [...formats.map(({ name }) => name), "markdown", "csv"]
