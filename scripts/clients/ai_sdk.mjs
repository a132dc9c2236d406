// The AI SDK, over its provider for OpenAI-compatible servers and over the one that speaks Responses.

import assert from "node:assert/strict";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embedMany, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";

import { isOneRun, listed, url } from "./checks.mjs";

const options = { baseURL: `${url}/v1`, apiKey: "any" };
const chat = createOpenAICompatible({ ...options, name: "hayhooks", includeUsage: true, supportsStructuredOutputs: true });
const responses = createOpenAI(options);

const agentQuestion = '[[tool=weather; args={"city": "Rome"}]] How is the weather?';
const clientQuestion = '[[tool=clock; args={"zone": "Rome"}]] What time is it?';
const tools = {
  clock: tool({
    description: "Tell the time.",
    inputSchema: z.object({ zone: z.string() }),
    execute: ({ zone }) => `noon in ${zone}`,
  }),
};
const patience = { maxRetries: 0 };

// Stream to the end and return the parts; an error part is thrown.
async function partsOf(request) {
  const result = streamText({ ...patience, onError: () => {}, ...request });
  const parts = await listed(result.fullStream);
  const failed = parts.find((part) => part.type === "error");
  if (failed) throw failed.error;
  return { parts, result };
}

const textOf = (parts) => parts.flatMap((part) => (part.type === "text-delta" ? part.text : [])).join("");
const finishesOf = (parts) => parts.flatMap((part) => (part.type === "finish" ? part.finishReason : []));

// What holds for either way to a model; `modelOf` makes one from a name.
const common = (modelOf) => ({
  "a text is generated": async () => {
    const { text, finishReason } = await generateText({ ...patience, model: modelOf("chat"), prompt: "Hello" });
    assert.deepEqual([text, finishReason], ["Echo: Hello", "stop"]);
  },

  "a text is streamed, with usage": async () => {
    const { parts, result } = await partsOf({ model: modelOf("chat_async"), prompt: "Hello" });
    assert.equal(textOf(parts), "Echo: Hello");
    assert.deepEqual(finishesOf(parts), ["stop"]);
    assert.equal((await result.usage).outputTokens, 2);
  },

  "reasoning is kept apart": async () => {
    const { parts } = await partsOf({ model: modelOf("thinker"), prompt: "[[reasoning=let me think]] Hello" });
    const reasoning = parts.flatMap((part) => (part.type === "reasoning-delta" ? part.text : []));
    assert.equal(reasoning.join(""), "let me think");
    assert.equal(textOf(parts), "Echo: Hello");
  },

  "the client's tools are run, and the answer follows": async () => {
    const request = { model: modelOf("client_tools"), prompt: clientQuestion, tools, stopWhen: stepCountIs(5) };
    assert.equal((await generateText({ ...patience, ...request })).text, "Tool said: noon in Rome");
    const { parts, result } = await partsOf(request);
    assert.equal(textOf(parts), "Tool said: noon in Rome");
    assert.equal((await result.steps).length, 2);
  },

  "an agent is run once": async () => {
    const request = { model: modelOf("agent"), prompt: agentQuestion, tools, stopWhen: stepCountIs(5) };
    await isOneRun(async () => {
      const { parts } = await partsOf(request);
      assert.ok(textOf(parts).endsWith("Tool said: sunny in Rome"));
      assert.deepEqual(finishesOf(parts), ["stop"]);
    });
    await isOneRun(() => generateText({ ...patience, ...request }));
  },

  "events do not disturb a stream": async () => {
    const { parts } = await partsOf({ model: modelOf("events"), prompt: "Hi" });
    const text = textOf(parts);
    assert.ok(text.startsWith("Hello ") && text.endsWith("world."));
  },

  "an early error has its message": async () => {
    const request = { ...patience, model: modelOf("chat"), prompt: "[[status=429]] x" };
    await assert.rejects(generateText(request), /service that it calls refuses more requests/);
    await assert.rejects(partsOf(request), /service that it calls refuses more requests/);
  },

  "a structured answer is parsed": async () => {
    const schema = z.object({ name: z.string(), people: z.number() });
    const model = modelOf("chat");
    const { output } = await generateText({ ...patience, model, prompt: "A city", output: Output.object({ schema }) });
    assert.deepEqual(output, { name: "text", people: 1.5 });
  },
});

export const aiSdkChecks = {
  ...common((name) => chat(name)),

  "an error in mid-stream has its message": async () => {
    const read = partsOf({ model: chat("chat"), prompt: "[[words=9; fail_after=2]] now" });
    await assert.rejects(read, (error) => /service that it calls could not be reached/.test(error.message ?? JSON.stringify(error)));
  },

  "many texts are embedded": async () => {
    const { embeddings } = await embedMany({
      ...patience,
      model: chat.embeddingModel("vectors"),
      values: ["a red house", "a blue car"],
    });
    assert.deepEqual(embeddings.map((vector) => vector.length), [8, 8]);
  },
};

export const aiSdkResponsesChecks = {
  ...common((name) => responses.responses(name)),

  "a failure in mid-stream is a failed response": async () => {
    const read = partsOf({ model: responses.responses("chat"), prompt: "[[words=9; fail_after=2]] now" });
    await assert.rejects(read, (error) => /service that it calls could not be reached/.test(error.message ?? JSON.stringify(error)));
  },
};
