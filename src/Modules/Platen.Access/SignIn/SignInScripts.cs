namespace Platen.Access.SignIn;

/// <summary>The one script of the pages of signing in, allowed by its hash: passkeys cannot be used without one.</summary>
internal static class SignInScripts
{
    /// <summary>
    /// Shows what needs a passkey where the browser has them, and runs the two requests of a ceremony. On an address that is a
    /// number browsers have none: the page says so.
    /// </summary>
    public const string Passkeys = """
        (()=>{
        const at=s=>document.querySelector(s),say=(t)=>{const n=at('[data-passkey-note]');n.textContent=t;n.hidden=!t};
        const number=/^[\d.]+$|:/.test(location.hostname.replace(/[[\]]/g,''));
        if(!window.PublicKeyCredential||!PublicKeyCredential.parseRequestOptionsFromJSON){return}
        for(const e of document.querySelectorAll('[data-passkey-area]'))e.hidden=false;
        if(number){for(const b of document.querySelectorAll('[data-passkey-area] button'))b.disabled=true;say('Passkeys work on a name, not on '+location.hostname+'. On this machine, open localhost instead.');return}
        const post=async(url,body)=>{
          const csrf=document.body.querySelector('input[name=csrf]')?.value;
          const r=await fetch(url,{method:'POST',headers:{...(body?{'Content-Type':'application/json'}:{}),...(csrf?{'X-Platen-CSRF':csrf}:{})},body:body?JSON.stringify(body):undefined});
          const t=await r.text(),j=t?JSON.parse(t):null;
          if(!r.ok)throw new Error(j?.detail??('The server answered '+r.status+'.'));
          return j};
        const run=async(button,work)=>{button.disabled=true;say('');try{await work()}catch(e){say(e.name==='NotAllowedError'?'The passkey was not used.':e.message)}finally{button.disabled=false}};
        at('#use-passkey')?.addEventListener('click',e=>run(e.target,async()=>{
          const c=await post('/v1/session/passkey-options');
          const k=await navigator.credentials.get({publicKey:PublicKeyCredential.parseRequestOptionsFromJSON(c.options)});
          await post('/v1/session/passkey',{ceremony:c.ceremony,credential:k.toJSON()});
          location.assign(e.target.dataset.next)}));
        at('#add-passkey')?.addEventListener('submit',e=>{e.preventDefault();run(e.submitter,async()=>{
          const c=await post('/v1/passkeys/options');
          const k=await navigator.credentials.create({publicKey:PublicKeyCredential.parseCreationOptionsFromJSON(c.options)});
          await post('/v1/passkeys',{ceremony:c.ceremony,credential:k.toJSON(),name:at('#passkey-name').value});
          location.assign('/account?done=passkey')})});
        })();
        """;
}
