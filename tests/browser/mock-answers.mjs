/** What the mock server's model says. A question is looked up by what it contains; the first entry that matches counts. */

const C_FUNCTION = `Here is one that works in place, with two indexes that move towards each other:

\`\`\`c
#include <stddef.h>
#include <string.h>

void reverse(char *text) {
    size_t left = 0;
    size_t right = strlen(text);
    while (left + 1 < right) {
        char kept = text[left];
        text[left++] = text[--right];
        text[right] = kept;
    }
}
\`\`\`

Two things to know:

1. **It changes its argument.** Pass an array, never a string literal: writing to a literal is undefined behaviour.
2. **It reverses bytes, not characters.** A word such as \`naïve\` or \`你好\` in UTF-8 would come out broken.

The loop compares \`left + 1\` with \`right\` so that the empty string, where \`right\` is zero, needs no special case.`;

const EVERYTHING = `## What Markdown can do

A paragraph with **bold**, *italic*, ~~struck~~, \`inline code\`, a [link](https://example.com/page) and H<sub>2</sub>O.

> A quotation of
> two lines.

| Method | Opens a connection | Server may speak first | Bytes a message |
| --- | :---: | :---: | ---: |
| Polling | every time | no | 700 |
| Long polling | often | nearly | 700 |
| WebSocket | once | yes | 2 |

- First
  - nested, with \`code\`
    1. deeper
    2. and deeper
- [x] a task that is done
- [ ] one that is not

The formula $e^{i\\pi} + 1 = 0$ stays text, and so does \\( a_1 \\cdot b_1 \\).

---

\`\`\`python
def greet(name: str) -> str:
    """Says hello, at a length that no phone can show without scrolling sideways in the block."""
    return f"Hello, {name}!"
\`\`\`

![A picture of a cat](https://example.com/cat.png)`;

const HOSTILE = `<img src=x onerror="alert(1)"> and <script>alert(2)</script> and <style>*{display:none}</style> &amp; [a link](javascript:alert(3))
<svg onload=alert(4)><a xlink:href="javascript:alert(5)">x</a></svg> <iframe srcdoc='<script>alert(6)</script>'></iframe>
<form action="https://evil.example"><input name=x><button>Go</button></form> <meta http-equiv=refresh content="0;url=https://evil.example">
<base href="https://evil.example/"><link rel=stylesheet href="https://evil.example/x.css"><object data=x></object><embed src=x>

![pixel](https://evil.example/pixel.png) ![svg](data:image/svg+xml;base64,PHN2ZyBvbmxvYWQ9YWxlcnQoNyk+) [data](data:text/html,<script>alert(8)</script>) [vb](vbscript:x)
[tab](java&#x09;script:alert(9)) [upper](JaVaScRiPt:alert(10)) <javascript:alert(11)> [ref][1] [file](file:///etc/passwd) [relative](/healthz) [protocol](//evil.example/x)

<p style="position:fixed;inset:0" onclick="alert(12)" id="app" class="dock" name="body">styled</p>
<details open ontoggle=alert(13)><summary>s</summary>hidden</details> <b onmouseover=alert(14)>bold?</b> <sub>plain</sub>

\`\`\`html"><script>alert(15)</script>
<img src=x onerror=alert(16)><script>alert(17)</script>
\`\`\`

| <img src=y onerror=alert(18)> | b |
|---|---|
| \`<img src=z onerror=alert(19)>\` | <script>alert(20)</script> |

# <img src=h onerror=alert(21)> [x](https://example.com "\\" onclick=alert(22) x=\\"")

<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(23)&gt;">
<noscript><p title="</noscript><img src=x onerror=alert(24)>"></noscript> <template><script>alert(25)</script></template>

[1]: javascript:alert(26)`;

const LONG = Array.from({ length: 40 }, (_, index) =>
  `Paragraph ${index + 1}: the answer goes on and on, long enough that the conversation no longer fits the window and has to scroll.`).join('\n\n');

const PHONE_CALL = 'Think of a phone call that nobody hangs up. Most of the web is like letters: you send one, you get one back, and that is all. '
  + 'With a **WebSocket** your browser rings once, and from then on both sides can talk whenever they like.';

const CHINESE = `想象你和好朋友各拿着一部**一直没挂断的电话**。

平常上网更像寄信：你寄一封“请给我这个网页”，对方回一封信，事情就结束了。想再问一句，就得再寄一封。

WebSocket 不一样：

1. **先敲门。** 浏览器用普通的方式问一句：“我们可以一直聊吗？”
2. **门打开后就不关。** 服务器说“好”，这条线就留着了。
3. **谁想说话都行。** 不用等对方先问，有消息马上就能告诉你。

所以聊天、游戏和你现在看到的这段逐字出现的回答，都很适合用它。`;

const PLAIN = 'A WebSocket keeps one connection open, so that both sides can speak at any moment. '
  + 'The answer you are reading came over it, piece by piece, as the model wrote it down.';

/**
 * @typedef {object} Answer
 * @property {string} text
 * @property {number} [pace]       a factor of the time between pieces
 * @property {{ code: string, message: string, retryable: boolean }} [error]  after the text
 * @property {number[]} [queue]    positions, before it begins
 * @property {number} [retryAfter] seconds
 * @property {boolean} [endless]   never ends by itself
 * @property {boolean} [silent]    thinks until it is stopped
 * @property {string} [finish]     finish_reason
 */

/** @type {[string, Answer][]} */
const ANSWERS = [
  ['long question', { text: LONG }],
  ['hostile question', { text: HOSTILE, pace: 0.2 }],
  ['everything question', { text: EVERYTHING, pace: 0.3 }],
  ['queue question', { text: PLAIN, queue: [3, 2, 1] }],
  ['retry question', { text: PLAIN, retryAfter: 1 }],
  ['silent question', { text: '', silent: true }],
  ['cut question', { text: PLAIN, finish: 'length' }],
  ['rate limit question', { text: '', error: { code: 'upstream_status', message: 'the model server answered 429', retryable: true } }],
  ['refused question', { text: '', error: { code: 'upstream_status', message: 'the model server answered 401', retryable: false } }],
  ['broken question', { text: 'It begins well, but', error: { code: 'upstream_protocol', message: 'the answer broke off', retryable: true } }],
  ['lost question', { text: 'It begins well, but', error: { code: 'node_lost', message: 'the server that had the answer is gone', retryable: true } }],
  ['empty question', { text: '' }],
  ['C function', { text: C_FUNCTION }],
  ['ten-year-old', { text: PHONE_CALL }],
  ['十岁', { text: CHINESE }],
  ['中文', { text: '当然可以：你问一句，我就一个字一个字地答回来，“不丢字、不乱码”——包括很少见的生僻字𠮷、全角标点。' }],
];

/** @param {string} question @returns {Answer} */
export const scriptFor = (question) => ANSWERS.find(([part]) => question.includes(part))?.[1] ?? { text: PLAIN };

/** @param {string} question */
export const textFor = (question) => scriptFor(question).text;
