// Writes properties.txt from the Unicode tables of the Node.js that runs it:
//   node make-properties.js NAMES > properties.txt
// NAMES is PropertyValueAliases.txt of the Unicode Character Database (for the scripts' names).
// A line: kind (script, extensions, binary, joining), names, then for each range the gap since the last one and its
// length less one, both in base 36.
const fs = require("fs");

const binary = `Alphabetic/Alpha ASCII ASCII_Hex_Digit/AHex Any Assigned Bidi_Control/Bidi_C Case_Ignorable/CI Cased Dash
Default_Ignorable_Code_Point/DI Deprecated/Dep Diacritic/Dia Emoji Emoji_Component/EComp Emoji_Modifier/EMod
Emoji_Modifier_Base/EBase Emoji_Presentation/EPres Extended_Pictographic/ExtPict Extender/Ext Grapheme_Base/Gr_Base
Grapheme_Extend/Gr_Ext Hex_Digit/Hex ID_Continue/IDC ID_Start/IDS Ideographic/Ideo Join_Control/Join_C Lowercase/Lower
Math Noncharacter_Code_Point/NChar Pattern_Syntax/Pat_Syn Pattern_White_Space/Pat_WS Quotation_Mark/QMark Radical
Regional_Indicator/RI Sentence_Terminal/STerm Soft_Dotted/SD Terminal_Punctuation/Term Unified_Ideograph/UIdeo
Uppercase/Upper Variation_Selector/VS White_Space/space XID_Continue/XIDC XID_Start/XIDS
Changes_When_NFKC_Casefolded/CWKCF`.split(/\s+/);

function encode(test) {
  const parts = [];
  let last = 0;
  let start = -1;
  for (let point = 0; point <= 0x110000; point++) {
    const is = point <= 0x10ffff && test(point);
    if (is && start < 0) start = point;
    if (!is && start >= 0) {
      parts.push((start - last).toString(36), (point - 1 - start).toString(36));
      last = point;
      start = -1;
    }
  }
  return parts.join(" ");
}

function line(kind, names, expression) {
  let regex;
  try {
    regex = new RegExp(`^${expression}$`, "u");
  } catch {
    return;
  }
  console.log(`${kind} ${names.join("/")} ${encode((point) => regex.test(String.fromCodePoint(point)))}`);
}

const scripts = fs
  .readFileSync(process.argv[2], "utf8")
  .split("\n")
  .filter((text) => text.startsWith("sc "))
  .map((text) => text.split("#")[0].split(";").slice(1).map((name) => name.trim()));
for (const names of scripts) {
  line("script", names, `\\p{Script=${names[1]}}`);
  line("extensions", names, `\\p{Script_Extensions=${names[1]}}`);
}
for (const names of binary) line("binary", names.split("/"), `\\p{${names.split("/")[0]}}`);
