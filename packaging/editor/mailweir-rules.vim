" Vim syntax file: rules of mailweir. Made by `mailweir rules syntax vim`: do not edit.
if exists("b:current_syntax")
  finish
endif
syn iskeyword @,48-57,_,-,.
syn case match

syn match mailweirName /^\s*[A-Za-z_][A-Za-z0-9_.-]*\ze\(\s\+at\s\+\S\+\)\?\s*:/
syn keyword mailweirDeclare list test import
syn keyword mailweirClause when reason on_error observe until early at with
syn keyword mailweirOperator and or not in is empty any all none always
syn keyword mailweirKind file cidr regex postfix lmdb redis dnsbl milter-regex spamassassin no-match match
syn keyword mailweirStage connect helo mail rcpt data end-of-headers end-of-message
syn keyword mailweirTest client port name helo auth listener from to params body message expect hit miss for by no fact listed fails
syn keyword mailweirVerdict reject defer discard accept disconnect quarantine
syn keyword mailweirAction score add set delete rewrite tag log delay
syn match mailweirField /\<\(tls\.client_fingerprint\|attachment\.encrypted\|attachment\.declared\|nested\.header\.lines\|attachment\.sha256\|archive\.encrypted\|mime\.header\.lines\|session\.messages\|raw\.header\.lines\|reply_to\.address\|dmarc\.org_domain\|attachment\.magic\|attachment\.depth\|attachment\.count\|tls\.client_cert\|reply_to\.domain\|spf\.explanation\|spf\.helo_result\|spf\.helo_domain\|dkim\.signatures\|attachment\.name\|attachment\.type\|attachment\.size\|auth\.mechanism\|session\.errors\|dkim\.algorithm\|attachment\.ext\|sender\.domain\|rcpt\.accepted\|reply_to\.name\|spf\.mechanism\|spf\.forwarder\|dkim\.selector\|dkim\.identity\|dmarc\.aligned\|dmarc\.problem\|archive\.depth\|sender\.local\|sender\.param\|rcpt\.refused\|header\.names\|header\.count\|from\.address\|spf\.identity\|dkim\.problem\|dmarc\.result\|dmarc\.domain\|dmarc\.policy\|archive\.name\|archive\.size\|mime\.defects\|message\.size\|client\.name\|client\.port\|tls\.version\|rcpt\.domain\|from\.domain\|spf\.problem\|dkim\.result\|dkim\.domain\|dkim\.passed\|dkim\.unsure\|dnsbl\.score\|dnsbl\.zones\|archive\.ext\|client\.tls\|tls\.cipher\|rcpt\.local\|rcpt\.count\|raw\.header\|to\.address\|cc\.address\|spf\.result\|spf\.domain\|dnsbl\.text\|url\.scheme\|mime\.parts\|client\.ip\|auth\.user\|from\.name\|to\.domain\|cc\.domain\|body\.text\|body\.html\|body\.line\|listener\|date\.age\|raw\.body\|url\.host\|url\.text\|tls\.sni\|subject\|to\.name\|cc\.name\|sender\|header\|score\|helo\|rcpt\|url\|tag\|var\|score\.[A-Za-z0-9_-]\+\)\(\.fold\)\?\>/
syn match mailweirGroup /\<\(attachment\|archive\|url\|from\|to\|cc\|reply_to\)\ze\s*{/
syn match mailweirNumber /\<\d[0-9.\/]*\([kKMG]i\?B\|B\|ms\|[smhd%]\)\?\>/
syn match mailweirSign /==\|!=\|=\~\|!\~\|<=\|>=\|[<>=]/
syn region mailweirString start=/"/ skip=/\\./ end=/"/ oneline contains=mailweirFilled
syn region mailweirString start=/'/ end=/'/ oneline
syn match mailweirFilled /\${[^}]*}/ contained
syn region mailweirRegex start=/\([=!]\~\s*\)\@<=\// skip=/\\./ end=/\/[imsx]*/ oneline
syn match mailweirAddress /<[^ <>=]*>/
syn match mailweirComment /#.*$/ contains=mailweirTodo,@Spell
syn keyword mailweirTodo contained TODO FIXME XXX

hi def link mailweirName Function
hi def link mailweirDeclare Structure
hi def link mailweirClause Statement
hi def link mailweirOperator Operator
hi def link mailweirKind Type
hi def link mailweirGroup Type
hi def link mailweirStage Constant
hi def link mailweirTest Keyword
hi def link mailweirVerdict Exception
hi def link mailweirAction Keyword
hi def link mailweirField Identifier
hi def link mailweirNumber Number
hi def link mailweirSign Operator
hi def link mailweirString String
hi def link mailweirFilled Special
hi def link mailweirRegex Special
hi def link mailweirAddress Underlined
hi def link mailweirComment Comment
hi def link mailweirTodo Todo
let b:current_syntax = "mailweir-rules"
