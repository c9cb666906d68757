import * as fs from "node:fs"
import { fileURLToPath } from "node:url"

/** The folder of files as other programs write them, made for these tests. */
export const folder = fileURLToPath(new URL("../fixtures/transfer/", import.meta.url))

export const bytesOf = (name: string): Buffer => fs.readFileSync(`${folder}${name}`)
