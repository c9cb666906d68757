import * as Pglite from "./pglite.js"

/** One for all files of a project, whose processes hear of it by their environment; it ends with the run. */
export default async () => {
  if (process.env["QUORATE_TEST_STORE"] !== undefined) return
  const { server, stop } = await Pglite.start()
  process.env["QUORATE_TEST_PGLITE"] = server
  return stop
}
