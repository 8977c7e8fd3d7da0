for(let f of document.forms){let a=f.getAttributeNode("action");a&&(a.value+=location.search)};onsubmit=e=>{let s=e.target.started_at;s&&(s.value="+"+(performance.now()|0))}
