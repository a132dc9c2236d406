// All checks of all clients: node main.mjs [word ...]

import { aiSdkChecks, aiSdkResponsesChecks } from "./ai_sdk.mjs";
import { runChecks } from "./checks.mjs";
import { openaiChecks } from "./openai.mjs";

// An error that no check awaits is a failure of the client too, but must not hide the table.
let stray = 0;
process.on("unhandledRejection", (error) => {
  stray += 1;
  console.error("not handled:", error);
});

const failed = await runChecks(
  { openai: openaiChecks, "ai sdk": aiSdkChecks, "ai sdk, responses": aiSdkResponsesChecks },
  process.argv.slice(2),
);
process.exit(failed + stray > 0 ? 1 : 0);
