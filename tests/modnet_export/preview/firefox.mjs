// The page in this machine's Firefox, through WebDriver BiDi: prints what it says, as JSON.

import { createRequire } from "node:module";

const [folder, program, address] = process.argv.slice(2);
const { default: puppeteer } = await import(createRequire(`${folder}/`).resolve("puppeteer-core"));
const browser = await puppeteer.launch({ browser: "firefox", executablePath: program, headless: true });
try {
  const page = await browser.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.goto(address);
  const told = await page.evaluate(async () => {
    const app = await import(new URL("js/app.js", location.href));
    await app.ready;
    const text = (id) => document.getElementById(id).textContent;
    const { outputs } = await app.engine.call("lastFrame");
    return { runs: text("runs"), parity: text("parity"), message: text("message"), output: Array.from(outputs[0]) };
  });
  console.log(JSON.stringify({ ...told, errors }));
} finally {
  await browser.close();
}
