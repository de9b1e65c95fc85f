// Sends what is typed to the bot and shows what comes back, every text of it as text.
"use strict";

const talk = document.getElementById("talk");
const replies = document.getElementById("replies");
const form = document.getElementById("write");
const field = document.getElementById("said");
// Each visit is a reader of its own.
const user = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
let isWaiting = false;

function made(name, className, text) {
  const element = document.createElement(name);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function sayer(label, said) {
  const button = made("button", "", label);
  button.type = "button";
  button.addEventListener("click", () => send(said));
  return button;
}

function pressable(button) {
  if (button.action !== "webLink") return sayer(button.label, button.messageText);
  const link = made("a", "", button.label);
  // What is no address of the web is no link.
  if (/^https?:\/\//.test(button.webLinkUrl)) link.href = button.webLinkUrl;
  link.target = "_blank";
  link.rel = "noopener noreferrer";
  return link;
}

function carousel(cards) {
  const row = made("div", "carousel");
  row.tabIndex = 0;
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", "추천한 책");
  for (const card of cards) {
    const book = made("article", "book");
    book.append(made("h2", "", card.title), made("p", "", card.description));
    book.append(...(card.buttons || []).map(pressable));
    row.append(book);
  }
  return row;
}

function list(card) {
  const box = made("section", "list");
  box.append(made("h2", "", card.header.title));
  for (const item of card.items) {
    const line = sayer(item.title, item.messageText);
    line.append(made("small", "", item.description));
    box.append(line);
  }
  return box;
}

function shown(output) {
  if (output.simpleText) return made("div", "bubble", output.simpleText.text);
  if (output.carousel) return carousel(output.carousel.items);
  if (output.listCard) return list(output.listCard);
  return made("div", "bubble", JSON.stringify(output));
}

function told(answered) {
  const details = made("details", "told");
  details.append(made("summary", "", `요청과 응답 (${answered.milliseconds} ms)`));
  for (const [name, part] of [["요청", answered.request], ["응답", answered.response]]) {
    const text = made("pre", "", JSON.stringify(part, null, 2));
    text.tabIndex = 0;
    text.setAttribute("aria-label", name);
    details.append(made("div", "", name), text);
  }
  return details;
}

function add(className, ...parts) {
  const line = made("li", className);
  line.append(...parts);
  talk.append(line);
  line.scrollIntoView({ block: className === "mine" ? "end" : "nearest" });
  return line;
}

function offer(quickReplies) {
  replies.replaceChildren(...quickReplies.map((one) => sayer(one.label, one.messageText)));
  replies.scrollLeft = 0;
}

async function send(said) {
  if (isWaiting || !said.trim()) return;
  isWaiting = true;
  const mine = add("mine", made("div", "bubble", said));
  const line = add("theirs", made("div", "bubble waiting", "…"));
  try {
    const response = await fetch(document.body.dataset.messages, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ utterance: said, user }),
    });
    const answered = await response.json();
    if (!response.ok) throw new Error(answered.message_ko || response.statusText);
    line.replaceChildren(...answered.response.template.outputs.map(shown), told(answered));
    offer(answered.response.template.quickReplies || []);
  } catch (error) {
    line.replaceChildren(made("div", "bubble failed", `답을 받지 못했어요: ${error.message}`));
  }
  isWaiting = false;
  mine.scrollIntoView({ block: "start" });
  field.focus({ preventScroll: true });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const said = field.value;
  field.value = "";
  send(said);
});
for (const button of replies.querySelectorAll("button")) {
  button.addEventListener("click", () => send(button.dataset.said));
}
