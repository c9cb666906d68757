#!/usr/bin/env node
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as quorate from "./cli/quorate.js"
import { exitCode } from "./cli/report.js"

NodeRuntime.runMain(quorate.run(process.argv), {
  disableErrorReporting: true,
  disablePrettyLogger: true,
  teardown: (exit, onExit) => onExit(exitCode(exit))
})
