// Written from src/Platen.Kernel/Languages/CldrTable.cs (Unicode CLDR 48.2.0, Unicode-3.0 licence); a test holds them equal.

export const PARENTS =
  'az-arab= az-cyrl= bal-latn= blt-latn= bm-nkoo= bs-cyrl= byn-latn= cu-glag= dje-arab= dyo-arab= en-150=en-001 ' +
  'en-ag=en-001 en-ai=en-001 en-at=en-150 en-au=en-001 en-bb=en-001 en-be=en-150 en-bm=en-001 en-bs=en-001 en-bw=en-001 ' +
  'en-bz=en-001 en-cc=en-001 en-ch=en-150 en-ck=en-001 en-cm=en-001 en-cx=en-001 en-cy=en-001 en-cz=en-150 en-de=en-150 ' +
  'en-dg=en-001 en-dk=en-150 en-dm=en-001 en-dsrt= en-ee=en-150 en-er=en-001 en-es=en-150 en-fi=en-150 en-fj=en-001 ' +
  'en-fk=en-001 en-fm=en-001 en-fr=en-150 en-gb=en-001 en-gd=en-001 en-ge=en-150 en-gg=en-001 en-gh=en-001 en-gi=en-001 ' +
  'en-gm=en-001 en-gs=en-001 en-gy=en-001 en-hk=en-001 en-hu=en-150 en-id=en-001 en-ie=en-001 en-il=en-001 en-im=en-001 ' +
  'en-in=en-001 en-io=en-001 en-it=en-150 en-je=en-001 en-jm=en-001 en-ke=en-001 en-ki=en-001 en-kn=en-001 en-ky=en-001 ' +
  'en-lc=en-001 en-lr=en-001 en-ls=en-001 en-lt=en-150 en-lv=en-150 en-mg=en-001 en-mo=en-001 en-ms=en-001 en-mt=en-001 ' +
  'en-mu=en-001 en-mv=en-001 en-mw=en-001 en-my=en-001 en-na=en-001 en-nf=en-001 en-ng=en-001 en-nl=en-150 en-no=en-150 ' +
  'en-nr=en-001 en-nu=en-001 en-nz=en-001 en-pg=en-001 en-pk=en-001 en-pl=en-150 en-pn=en-001 en-pt=en-150 en-pw=en-001 ' +
  'en-ro=en-150 en-rw=en-001 en-sb=en-001 en-sc=en-001 en-sd=en-001 en-se=en-150 en-sg=en-001 en-sh=en-001 en-shaw= ' +
  'en-si=en-150 en-sk=en-150 en-sl=en-001 en-ss=en-001 en-sx=en-001 en-sz=en-001 en-tc=en-001 en-tk=en-001 en-to=en-001 ' +
  'en-tt=en-001 en-tv=en-001 en-tz=en-001 en-ua=en-150 en-ug=en-001 en-vc=en-001 en-vg=en-001 en-vu=en-001 en-ws=en-001 ' +
  'en-za=en-001 en-zm=en-001 en-zw=en-001 es-ar=es-419 es-bo=es-419 es-br=es-419 es-bz=es-419 es-cl=es-419 es-co=es-419 ' +
  'es-cr=es-419 es-cu=es-419 es-do=es-419 es-ec=es-419 es-gt=es-419 es-hn=es-419 es-jp=es-419 es-mx=es-419 es-ni=es-419 ' +
  'es-pa=es-419 es-pe=es-419 es-pr=es-419 es-py=es-419 es-sv=es-419 es-us=es-419 es-uy=es-419 es-ve=es-419 ff-adlm= ' +
  'ff-arab= ha-arab= hi-latn=en-in ht=fr-ht iu-latn= kaa-latn= kk-arab= kok-latn= ks-deva= ku-arab= kxv-deva= kxv-orya= ' +
  'kxv-telu= ky-arab= ky-latn= ml-arab= mn-mong= mni-mtei= ms-arab= nb=no nn=no no-no=no pa-arab= pt-ao=pt-pt pt-ch=pt-pt ' +
  'pt-cv=pt-pt pt-fr=pt-pt pt-gq=pt-pt pt-gw=pt-pt pt-lu=pt-pt pt-mo=pt-pt pt-mz=pt-pt pt-st=pt-pt pt-tl=pt-pt sat-deva= ' +
  'sd-deva= sd-khoj= sd-sind= shi-latn= so-arab= sr-latn= suz-sunu= sw-arab= tg-arab= ug-cyrl= uz-arab= uz-cyrl= ' +
  'vai-latn= wo-arab= yo-arab= yue-hans= zh-hant-mo=zh-hant-hk zh-hant=';

export const REGION_SCRIPTS =
  'abq-tr=latn az-iq=arab az-ir=arab az-ru=cyrl ha-cm=arab ha-sd=arab hak-tw=hant kk-af=arab kk-cn=arab kk-ir=arab ' +
  'kk-mn=arab ku-am=cyrl ku-az=cyrl ku-ge=cyrl ku-iq=arab ku-ir=arab ku-lb=arab ku-tm=cyrl ky-cn=arab ky-tr=latn ' +
  'lzz-ge=geor mey-sn=latn mn-cn=mong ms-cc=arab nan-mo=hant nan-tw=hant pa-pk=arab pi-in=deva pi-lk=sinh pi-mm=mymr ' +
  'pi-th=thai pnt-ru=cyrl pnt-tr=latn sd-in=deva sr-me=latn sr-ro=latn sr-tr=latn stu-cn=tale tg-pk=arab ug-kz=cyrl ' +
  'ug-mn=cyrl unr-np=deva uz-af=arab uz-cn=cyrl yue-cn=hans zh-au=hant zh-bn=hant zh-gb=hant zh-gf=hant zh-hk=hant ' +
  'zh-id=hant zh-mo=hant zh-pa=hant zh-pf=hant zh-ph=hant zh-sr=hant zh-th=hant zh-tw=hant zh-us=hant zh-vn=hant';

export const SCRIPTS =
  'aghb:xag ahom:aho arab:aao,abh,abv,acm,acq,acw,acx,adf,aeb,aec,aee,aeq,afb,aib,aiq,apc,apd,ar,arq,ars ' +
  'arab:ary,arz,ask,atn,auj,auz,avd,avl,ayh,ayl,ayn,ayp,azb,bal,bdz,bej,bft,bgn,bgp,bhe ' +
  'arab:bhm,bjm,bqi,brh,brk,bsh,bsk,chg,cja,ckb,clh,dcc,def,deh,dgl,dmk,dml,esh,fa,fay ' +
  'arab:faz,fia,fub,gbz,ggg,gha,ghr,gig,gjk,gju,glh,glk,grr,gwc,gwf,gwt,gzi,hac,haz,hkh ' +
  'arab:hnd,hno,hoh,hrz,hss,isk,jad,jat,jbn,jdg,jnd,jog,kbu,kby,kcy,kfm,khw,klj,kmz,ks ' +
  'arab:ktl,kvx,kxp,lah,lki,lrc,lrk,lrl,lsa,lss,luv,luz,mby,mde,mey,mfa,mfi,mhj,mki,mnj ' +
  'arab:mve,mvy,mzb,mzn,nli,nlm,ntz,nyq,odk,oru,ota,pbt,phl,phr,phv,plk,prc,prd,prx,ps ' +
  'arab:psh,psi,pst,qxq,rdb,rmt,sbn,scl,sd,sdb,sdf,sdg,sdh,sds,sgr,sgy,shd,shm,shu,shv ' +
  'arab:siy,siz,skr,smy,sqo,sqt,srh,srz,ssh,sts,swb,tjo,tks,tov,tra,trm,trw,ug,ur,ush ' +
  'arab:uzs,vaf,vgr,vmh,wbk,wlo,wne,wni,wsv,xhe,xka,xkc,xkj,xkp,xvi,ydg,zba,zdj,zum armi:arc armn:axm,hy,hyw,rmi avst:ae ' +
  'bali:kaw bamu:bax batk:btd,btm beng:aot,as,bn,bpy,cdz,ctg,der,grt,kdq,mni,rah,rkt,sdr,syl,unr,unx bopo:hmj,hmq ' +
  'brah:kho,pka,pmh,psu,xtq cakm:ccp,tnv cans:cr,crj,crk,crl,crm,csw,iu,nsk,oj,ojs cari:xcr cham:cjm cher:chr chrs:xco ' +
  'copt:cop cprt:ecy cyrl:ab,abq,ady,agx,akv,alr,alt,ani,aqc,atv,av,ba,be,bg,bhh,bph,bua,bxm,ce,chm ' +
  'cyrl:cji,ckt,clw,crh,cu,cv,dar,ddo,dlg,dng,enf,enh,eve,evn,gdo,gin,gld,huz,inh,itl ' +
  'cyrl:jct,jdt,kaa,kap,kbd,kca,ket,khv,kim,kjh,kk,koi,kpt,kpy,krc,krk,kum,kv,kva,ky ' +
  'cyrl:lbe,lez,mdf,mk,mn,mns,mrj,mtm,mud,myv,ndf,neg,nio,niv,nog,oaa,oac,omk,orv,os ' +
  'cyrl:paq,rsk,ru,rue,rut,sah,sel,sgh,sia,sjd,sjt,sr,sty,tab,tg,tin,tt,tyv,ude,udi ' +
  'cyrl:udm,ugh,uk,ulc,xal,xas,xdq,xpm,xrm,xrn,xwo,yai,ykg,ykh,ynk,yrk,ysr,yug,yux,zko cyrl:zkz ' +
  'deva:agi,ahr,anp,anq,anr,aph,asr,awa,bap,bee,bfb,bfy,bfz,bgc,bgd,bgq,bgw,bha,bhb,bhd ' +
  'deva:bhi,bhj,bho,bht,bhu,bix,biy,bjj,bmj,bns,bpx,bra,brd,brx,btv,byh,byw,cdh,cdj,cdm ' +
  'deva:cdn,chx,cih,ctn,daq,dhi,dhw,doi,drq,dry,dty,duh,dus,dwz,emg,emu,fmu,gbk,gbm,gdx ' +
  'deva:ghe,goj,gok,gon,gra,gvr,gyo,hi,hif,hlb,hne,hoc,hoj,hoy,hut,jee,jml,jnl,jns,jul ' +
  'deva:kex,kfb,kfk,kfp,kfq,kfr,kfs,kfu,kfx,kfy,kgj,khn,kif,kip,kjl,kjo,kkt,kle,klr,kmj ' +
  'deva:knn,kok,kra,kru,ksz,kte,kwx,kyv,kyw,lae,lbf,lbm,lbr,lhm,lif,lmh,loy,luu,mag,mai ' +
  'deva:mgp,mjl,mjt,mjz,mkb,mke,mr,mrd,mrr,mtr,mut,mwr,nao,ncd,ne,new,nlx,nmm,noe,noi ' +
  'deva:nwx,ola,oon,pch,pci,pgg,phd,phw,pum,pwr,raa,rab,raf,raj,rav,rji,rjs,rtw,rwr,sa ' +
  'deva:sck,scp,sgj,sjp,skj,soi,srx,suz,swv,syw,taj,tcn,tdb,tdg,tdh,tge,the,thf,thl,thq ' +
  'deva:thr,ths,tij,tkb,tkt,ttz,vah,vas,vav,vay,vjk,wbr,wme,wtm,xnr,xsr,ybh,ybi egyp:egy elym:xly ' +
  'ethi:agj,ahg,alw,am,anu,awn,bcq,bst,byn,dox,drs,gez,gmv,gof,gru,har,hdy,ior,kqy,ktb ' +
  'ethi:mdx,mdy,muz,mvz,mym,sgw,stv,ti,tig,wal,wle,xan,zwa geor:bbl,jge,ka,oav,sva,xmf gong:wsg gonm:esg goth:got ' +
  'gran:oty grek:aat,bgx,cpg,ecr,el,grc,pnt,scx,tsd,uum,xpg,yej gujr:cdi,dhn,dho,dub,gas,gbl,gu guru:pa hang:jje,okm ' +
  'hani:how,oko,swi,zch,zeh,zgb,zgm,zgn,zhd,zlj,zln,zlq,zqe,zyg,zyn,zzj ' +
  'hans:cdo,cjy,cnp,csp,czh,gan,hak,hnm,hsn,luh,nan,sjc,wuu,zh hant:ltc,lzh,yue ' +
  'hebr:aij,czk,hbo,he,huy,itk,iw,jbe,ji,jpa,jpr,jrb,jye,lad,lsd,trg,yhd,yi,yih,yud hebr:zrp hluw:hlu hmnp:hnj,mww ' +
  'ital:ett,osc,pgn,xve java:osi,tes jpan:ams,ja,yoi kali:eky,kvy,kyu kana:ain,ryu khar:pgd ' +
  'khmr:brb,km,krr,krv,okz,pcb,rka,smu,tpu,xhm kits:zkt knda:brw,kfa,kfd,kfg,kn,tcy,vmd kore:ko lana:cuu,kkh,nod,stu ' +
  'laoo:alk,brv,kjg,kuf,lbo,lo,ncq,ngt,oyb,pho,sct,sqq,sss,tth,tto latf:gml latg:mga lepc:lep lina:lab linb:gmy lisu:lis ' +
  'lyci:imy,xlc lydi:xld mand:mid,myz mani:xmn marc:xzh medf:dmf merc:xmr ' +
  'mlym:aaf,all,kev,kfh,mjq,mjr,mjv,ml,pcf,pcg,pkr,udg,yea modi:omr mong:bxu,mnc,mvf mroo:mro mtei:omp ' +
  'mymr:aio,blk,bwe,csh,dnu,dnv,hpo,int,jkm,kht,kjp,ksu,ksw,kvq,kvt,kxf,kxk,mnw,mwt,my ' +
  'mymr:obr,omx,pce,phk,pll,pwo,pyx,rbb,rki,rmz,shn,tco,tjl,tvn narb:xna newa:nwc nkoo:nqo ogam:pgl,xpi olck:sat orkh:otk ' +
  'orya:bdv,bfw,dso,dwk,gaq,gbj,gdb,jun,juy,or,peg,rei,spv,uki,xis,zrg osge:osa ougr:oui pauc:ctd phli:pal phnx:obm,phn ' +
  'plrd:hmd,ktp,lpo,sfm,ygp,yna,ysy,ywq,ywu prti:xpr rjng:abl rohg:rhg runr:non,nrn,sxu samr:sam,smp sarb:xsa saur:saz ' +
  'sgnw:ase sidt:xsd sinh:si sogd:sog sora:srb soyo:cmg syrc:aii,amw,bhn,bjf,hrt,kqd,lhs,oar,syc,syn,syr,tmr tagb:tbk ' +
  'takr:hii,jna,scu tale:tdd,thi talu:khb taml:bfq,ctt,cty,era,iru,kfe,kfi,muv,ta,tcx,vaa,xub,xuj tang:txg ' +
  'tavt:blt,soa,tyr telu:cde,gau,key,kfc,lmn,mju,nit,ort,pcj,te,wbq,yeu tfng:gho,shi,tda,zen,zgh thaa:dv ' +
  'thai:bzi,cbn,cog,kdt,khf,kjt,kxm,lcp,lwl,lwm,mkm,mlf,mpz,mra,nyl,nyw,pht,phu,prt,pww ' +
  'thai:skb,sou,th,thm,tts,ugo,urk,yoy tibt:adx,bfu,bkk,bo,bro,cgk,cna,dka,dre,dz,dzl,ght,goe,jda,jya,kbg,kgy,khg,kjz,kkf ' +
  'tibt:lbj,lkh,luk,lya,muk,neh,npb,ole,otb,sbu,sgt,sip,spt,tgf,tsj,twm,xkf,zau tnsa:nst toto:txo ugar:uga vaii:vai ' +
  'wcho:nnp xpeo:peo xsux:akk,hit,htx,nei,oht yiii:ii,nos,nsd,nsf,nsv,nty,smh,yig,yiv,ysd,ysn,ysp';

export const LANGUAGE_ALIASES =
  'aam=aas aar=aa abk=ab adp=dz afr=af agp=apf ais=ami ajp=apc ajt=aeb aka=ak amh=am ara=ar arg=an asd=snz asm=as aue=ktz ' +
  'ava=av ave=ae aym=ay ayx=nun aze=az bak=ba bam=bm baz=nvo bel=be ben=bn bgm=bcg bhk=fbl bic=bir bih=bho bis=bi bjd=drl ' +
  'bjq=bzc bkb=ebk blg=iba bod=bo bos=bs bre=br btb=beb bul=bg cat=ca ccq=rki ces=cs cha=ch che=ce chu=cu chv=cv cjr=mom ' +
  'cka=cmr cmk=xch cor=kw cos=co coy=pij cqu=quh cre=cr cym=cy daf=dnj dan=da dap=njz dek=sqm deu=de dit=dif div=dv ' +
  'djl=dze dkl=aqd drh=mn drr=kzk dud=uth duj=dwu dwl=dbt dzo=dz ell=el elp=amq eng=en epo=eo est=et eus=eu ewe=ee fao=fo ' +
  'fas=fa fij=fj fin=fi fra=fr fry=fy ful=ff gav=dev gbc=wny gfx=vaj ggn=gvr ggo=esg ggr=gtu gio=aou gla=gd gle=ga glg=gl ' +
  'gli=kzk glv=gv grn=gn gti=nyc guj=gu guv=duz hat=ht hau=ha hbs=sr-latn heb=he her=hz hin=hi hmo=ho hrr=jal hrv=hr ' +
  'hun=hu hye=hy ibi=opa ibo=ig ido=io iii=ii iku=iu ile=ie ill=ilm ilw=gal in=id ina=ia ind=id ipk=ik isl=is ita=it ' +
  'iw=he izi=eza jar=jgk jav=jv jeg=oyb ji=yi jpn=ja jw=jv kal=kl kan=kn kas=ks kat=ka kau=kr kaz=kk kdv=zkd kgc=tdf ' +
  'kgd=ncq kgh=kml kgm=plu khm=km kik=ki kin=rw kir=ky koj=kwv kom=kv kon=kg kor=ko kpp=jkm krm=bmf ktr=dtp kua=kj kur=ku ' +
  'kvs=gdj kwq=yam kxe=tvd kxl=kru kzh=dgl kzj=dtp kzt=dtp lak=ksp lao=lo lat=la lav=lv leg=enl lii=raq lim=li lin=ln ' +
  'lit=lt llo=ngt lmm=rmx ltz=lb lub=lu lug=lg mah=mh mal=ml mar=mr meg=cir mgx=jbk mkd=mk mlg=mg mlt=mt mnt=wnn mo=ro ' +
  'mof=xnt mol=ro mon=mn mri=mi msa=ms mst=mry mwd=dmw mwj=vaj mya=my myd=aog myt=mry nad=xny nau=na nav=nv nbf=nru ' +
  'nbl=nr nbx=gll ncp=kdz nde=nd ndo=ng nep=ne nld=nl nln=azd nlr=nrk nno=nn nns=nbr nnx=ngv nob=nb nom=cbr noo=dtd ' +
  'nor=no nte=eko nts=pij nxu=bpp nya=ny oci=oc oji=oj ori=or orm=om oss=os oun=vaj pan=pa pat=kxr pcr=adx pli=pi pmc=huw ' +
  'pmk=crr pmu=phr pol=pl por=pt ppa=bfy ppr=lcq prp=gu pry=prt pus=ps puz=pub que=qu rmr=emx roh=rm ron=ro run=rn rus=ru ' +
  'sag=sg san=sa sap=aqt sca=hle scc=sr scr=hr sgl=isk sh=sr-latn sin=si skk=oyb slk=sk slv=sl smd=kmb sme=se smo=sm ' +
  'sna=sn snb=iba snd=sd som=so sot=st spa=es sqi=sq srd=sc srp=sr ssw=ss sul=sgd sum=ulw sun=su swa=sw swe=sv szd=umi ' +
  'tah=ty tam=ta tat=tt tdu=dtp tel=te tgg=bjp tgk=tg tgl=fil tha=th thc=tpo thw=ola thx=oyb tid=itd tie=ras tir=ti ' +
  'tkk=twm tl=fil tlw=weo tmk=tdg tmp=tyj tne=kak ton=to tpw=tpn tsf=taj tsn=tn tso=ts tuk=tk tur=tr twi=ak uig=ug ukr=uk ' +
  'unp=wro uok=ema urd=ur uzb=uz ven=ve vie=vi vol=vo wgw=wgb wit=nol wiw=nwo wln=wa wol=wo xba=cax xho=xh xia=acn ' +
  'xkh=waw xrq=dmw xsj=suj xss=zko ybd=rki yen=ynq yid=yi yiy=yrm yma=lrr ymt=mtm yor=yo yos=zom yuu=yug zha=za zho=zh ' +
  'zir=scv zkb=kjh zul=zu';
