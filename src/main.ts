#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { exitCode } from "./cli/report.js"
import * as small from "./cli/small.js"

// A command that needs nothing of a node does not wait for one to be loaded.
const { run } = small.isFor(process.argv) ? small : await import("./cli/quorate.js")

NodeRuntime.runMain(run(process.argv), {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, onExit) => onExit(exitCode(exit))
})
