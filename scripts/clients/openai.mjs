// The npm `openai` client.

import assert from "node:assert/strict";

import OpenAI, { APIError, InternalServerError, NotFoundError, RateLimitError, toFile } from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { z } from "zod";

import { isOneRun, listed, url } from "./checks.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: "any", maxRetries: 0 });

const asking = (text) => [{ role: "user", content: text }];
const agentQuestion = asking('[[tool=weather; args={"city": "Rome"}]] How is the weather?');
const clientQuestion = '[[tool=clock; args={"zone": "Rome"}]] What time is it?';
const parameters = {
  type: "object",
  properties: { zone: { type: "string" } },
  required: ["zone"],
  additionalProperties: false,
};
const clock = { type: "function", function: { name: "clock", description: "Tell the time.", parameters } };
const textOf = (chunks) => chunks.map((chunk) => chunk.choices[0]?.delta?.content ?? "").join("");
const reasonsOf = (chunks) => chunks.flatMap((chunk) => chunk.choices[0]?.finish_reason ?? []);

export const openaiChecks = {
  "models are listed and retrieved": async () => {
    const names = (await listed(client.models.list())).map((model) => model.id);
    assert.ok(names.includes("chat") && names.includes("vectors"));
    assert.equal((await client.models.retrieve("chat")).owned_by, "hayhooks");
  },

  "chat is created": async () => {
    const answer = await client.chat.completions.create({ model: "chat", messages: asking("Hello") });
    assert.equal(answer.choices[0].message.content, "Echo: Hello");
    assert.equal(answer.choices[0].finish_reason, "stop");
  },

  "chat is streamed, with usage": async () => {
    const stream = await client.chat.completions.create({
      model: "chat_async",
      messages: asking("Hello"),
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = await listed(stream);
    assert.equal(textOf(chunks), "Echo: Hello");
    assert.deepEqual(reasonsOf(chunks), ["stop"]);
    assert.equal(chunks.at(-1).usage.total_tokens, 3);
  },

  "the stream helper takes a plain stream": async () => {
    const stream = client.chat.completions.stream({ model: "chat", messages: asking("Hello") });
    const said = [];
    stream.on("content", (delta) => said.push(delta));
    assert.equal((await stream.finalChatCompletion()).choices[0].message.content, "Echo: Hello");
    assert.equal(said.join(""), "Echo: Hello");
  },

  "the stream helper collects calls of the client's tools": async () => {
    const stream = client.chat.completions.stream({
      model: "client_tools",
      messages: asking(clientQuestion),
      tools: [clock],
    });
    const { message, finish_reason } = (await stream.finalChatCompletion()).choices[0];
    assert.equal(finish_reason, "tool_calls");
    assert.deepEqual(
      message.tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
      [["clock", { zone: "Rome" }]],
    );
  },

  "the tool runner runs the client's tools": async () => {
    for (const stream of [false, true]) {
      const runner = client.chat.completions.runTools({
        model: "client_tools",
        messages: asking(clientQuestion),
        stream,
        tools: [
          { type: "function", function: { ...clock.function, parse: JSON.parse, function: ({ zone }) => `noon in ${zone}` } },
        ],
      });
      assert.equal(await runner.finalContent(), "Tool said: noon in Rome");
    }
  },

  "an agent is run once by a plain stream": () =>
    isOneRun(async () => {
      const stream = await client.chat.completions.create({ model: "agent", messages: agentQuestion, stream: true });
      const chunks = await listed(stream);
      assert.ok(textOf(chunks).endsWith("Tool said: sunny in Rome"));
      assert.deepEqual(reasonsOf(chunks), ["stop"]);
    }),

  "an agent is run once by the stream helper with tools": () =>
    isOneRun(async () => {
      const stream = client.chat.completions.stream({ model: "agent", messages: agentQuestion, tools: [clock] });
      const { message } = (await stream.finalChatCompletion()).choices[0];
      assert.ok(message.content.endsWith("Tool said: sunny in Rome"));
    }),

  "an agent is run once by the tool runner": () =>
    isOneRun(async () => {
      const runner = client.chat.completions.runTools({
        model: "agent",
        messages: agentQuestion,
        stream: true,
        tools: [{ type: "function", function: { ...clock.function, parse: JSON.parse, function: () => "noon" } }],
      });
      assert.ok((await runner.finalContent()).endsWith("Tool said: sunny in Rome"));
    }),

  "events are chunks that a plain loop and the stream helper take": async () => {
    const body = { model: "events", messages: asking("Hi") };
    const chunks = await listed(await client.chat.completions.create({ ...body, stream: true }));
    assert.equal(chunks.filter((chunk) => "event" in chunk).length, 8);
    const said = chunks.map((chunk) => chunk.choices[0].delta.content ?? "").join("");
    const final = await client.chat.completions.stream(body).finalChatCompletion();
    assert.equal(final.choices[0].message.content, said);
    assert.ok(said.startsWith("Hello ") && said.endsWith("world."));
  },

  "a structured answer is parsed": async () => {
    const City = z.object({ name: z.string(), people: z.number().int() });
    const answer = await client.chat.completions.parse({
      model: "chat",
      messages: asking("A city"),
      response_format: zodResponseFormat(City, "city"),
    });
    assert.deepEqual(answer.choices[0].message.parsed, { name: "text", people: 1 });
  },

  "errors before the first token have their class and message": async () => {
    const cases = [
      ["nope", "Hi", NotFoundError, 404, "Pipeline 'nope' not found"],
      ["chat", "[[status=429]] x", RateLimitError, 429, "refuses more requests"],
      ["raises", "Hi", InternalServerError, 500, "Pipeline execution failed"],
      ["run_only", "Hi", InternalServerError, 501, "Chat endpoint not implemented"],
      ["chat", "[[status=500]] x", InternalServerError, 502, "could not be reached"],
    ];
    for (const [model, text, kind, status, message] of cases) {
      for (const stream of [false, true]) {
        const asked = client.chat.completions.create({ model, messages: asking(text), stream });
        const error = await asked.then(() => null, (reason) => reason);
        assert.ok(error instanceof kind, `${model}: ${error}`);
        assert.equal(error.status, status);
        assert.ok(error.error.message.includes(message), error.error.message);
      }
    }
  },

  "an endpoint that is not there is asked once": async () => {
    let asked = 0;
    const patient = client.withOptions({
      maxRetries: 2,
      fetch: (...request) => {
        asked += 1;
        return fetch(...request);
      },
    });
    await assert.rejects(patient.chat.completions.create({ model: "run_only", messages: asking("Hi") }));
    assert.equal(asked, 1);
  },

  "an error in mid-stream has its message": async () => {
    const messages = asking("[[words=9; fail_after=2]] now");
    const said = [];
    const read = async () => {
      const stream = await client.chat.completions.create({ model: "chat", messages, stream: true });
      for await (const chunk of stream) said.push(chunk.choices[0].delta.content);
    };
    await assert.rejects(read, (error) => {
      assert.ok(error instanceof APIError);
      return /service that it calls could not be reached/.test(error.message);
    });
    assert.deepEqual(said, ["w1", " w2"]);
    const helper = client.chat.completions.stream({ model: "chat", messages });
    await assert.rejects(helper.finalChatCompletion(), /service that it calls could not be reached/);
  },

  "a stream can be left": async () => {
    const messages = asking("[[words=500; gap=0.02]] count");
    const stream = await client.chat.completions.create({ model: "chat_async", messages, stream: true });
    let seen = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0].delta.content && (seen += 1) === 3) break;
    }
    assert.ok(stream.controller.signal.aborted);
  },

  "a response is created, continued, kept and deleted": async () => {
    const first = await client.responses.create({ model: "chat", input: "One" });
    assert.equal(first.output_text, "Echo: One");
    const second = await client.responses.create({ model: "chat", input: "Two", previous_response_id: first.id });
    assert.equal(second.output_text, "Echo: Two");
    assert.equal((await client.responses.retrieve(second.id)).id, second.id);
    const items = await listed(client.responses.inputItems.list(second.id));
    assert.deepEqual(items.map((item) => item.content[0].text), ["Two"]);
    await client.responses.delete(first.id);
    await assert.rejects(client.responses.retrieve(first.id), NotFoundError);
  },

  "a response is streamed": async () => {
    const events = await listed(await client.responses.create({ model: "thinker", input: "Hi", stream: true }));
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    assert.equal(events.at(-1).type, "response.completed");
    const helper = client.responses.stream({ model: "thinker", input: "[[reasoning=a b]] Hi" });
    const final = await helper.finalResponse();
    assert.deepEqual(final.output.map((item) => item.type), ["reasoning", "message"]);
    assert.equal(final.output_text, "Echo: Hi");
  },

  "events do not disturb a streamed response": async () => {
    const events = await listed(await client.responses.create({ model: "events", input: "Hi", stream: true }));
    assert.ok(events.at(-1).response.output[0].content[0].text.endsWith("world."));
    const final = await client.responses.stream({ model: "events", input: "Hi" }).finalResponse();
    assert.ok(final.output_text.endsWith("world."));
  },

  "a response streams calls of the client's tools": async () => {
    const tools = [{ type: "function", ...clock.function, strict: true }];
    const final = await client.responses.stream({ model: "client_tools", input: clientQuestion, tools }).finalResponse();
    assert.deepEqual(final.output.map((item) => [item.type, item.name]), [["function_call", "clock"]]);
  },

  "a response in the background is cancelled": async () => {
    const input = "[[words=500; gap=0.02]] count";
    const begun = await client.responses.create({ model: "chat", input, background: true });
    assert.equal(begun.status, "in_progress");
    assert.equal((await client.responses.cancel(begun.id)).status, "cancelled");
  },

  "files are created, listed, read and deleted": async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from("abc"), "a.txt"), purpose: "user_data" });
    assert.deepEqual([file.filename, file.bytes], ["a.txt", 3]);
    assert.ok((await listed(client.files.list())).some((kept) => kept.id === file.id));
    assert.equal((await client.files.retrieve(file.id)).id, file.id);
    assert.equal(await (await client.files.content(file.id)).text(), "abc");
    assert.equal((await client.files.delete(file.id)).deleted, true);
    await assert.rejects(client.files.retrieve(file.id), NotFoundError);
  },

  "embeddings are the same as floats and in base64": async () => {
    const body = { model: "vectors", input: ["a red house", "a blue car"] };
    const packed = await client.embeddings.create(body);
    const plain = await client.embeddings.create({ ...body, encoding_format: "float" });
    assert.deepEqual(plain.data.map((item) => item.embedding.length), [8, 8]);
    packed.data.forEach((item, index) => {
      item.embedding.forEach((number, at) => assert.ok(Math.abs(number - plain.data[index].embedding[at]) < 1e-6));
    });
  },
};
