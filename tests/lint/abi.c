/* abi.c - the filter ABI, pinned: every offset, size and value of <mailweir/filter.h>,
 * <mailweir/content.h> and <mailweir/lang.h>.
 *
 * Compiled only, as C11 and as C++17, on 64-bit machines with 8-octet pointers (LP64). A line that
 * fails here means that filters built yesterday break today. Growth is allowed at the end of
 * structs that begin with `size`, at the end of enums, at the end of the function tables: then add
 * lines, and raise the sizes. */
#include <mailweir/content.h>
#include <mailweir/filter.h>
#include <mailweir/lang.h>

#ifdef __cplusplus
#define PIN(condition) static_assert(condition, #condition)
#else
#define PIN(condition) _Static_assert(condition, #condition)
#endif
#define AT(type, field, offset) PIN(offsetof(struct type, field) == (offset))
#define SIZE(type, octets) PIN(sizeof(struct type) == (octets))
/* The nth pointer of a table, behind `head` octets. */
#define SLOT(type, head, n, field) PIN(offsetof(struct type, field) == (head) + 8 * (n))

#if defined(__LP64__)

PIN(MAILWEIR_ABI == 1);

/* clang-format off */
SIZE(mw_slice, 16); AT(mw_slice, ptr, 0); AT(mw_slice, len, 8);

PIN(MW_STAGE_CONNECT == 0); PIN(MW_STAGE_HELO == 1); PIN(MW_STAGE_STARTTLS == 2); PIN(MW_STAGE_AUTH == 3);
PIN(MW_STAGE_MAIL == 4); PIN(MW_STAGE_RCPT == 5); PIN(MW_STAGE_RCPT_REPLY == 6); PIN(MW_STAGE_DATA == 7);
PIN(MW_STAGE_HEADER == 8); PIN(MW_STAGE_END_OF_HEADERS == 9); PIN(MW_STAGE_BODY == 10);
PIN(MW_STAGE_END_OF_MESSAGE == 11); PIN(MW_STAGE_ABORT == 12); PIN(MW_STAGE_CLOSE == 13); PIN(MW_STAGE_COMMAND == 14);
PIN(MW_STAGE_EDITED == 15); PIN(MW_STAGE_COUNT == 16); PIN(MW_STAGE_BIT(MW_STAGE_COMMAND) == 0x4000u);

PIN(MW_CONTINUE == 0); PIN(MW_ACCEPT == 1); PIN(MW_REJECT == 2); PIN(MW_TEMPFAIL == 3); PIN(MW_DISCARD == 4);
PIN(MW_DISCONNECT == 5); PIN(MW_SKIP == 6); PIN(MW_WAIT == 7); PIN(MW_ERROR == 8);
PIN(sizeof(enum mw_verdict) == 4); PIN(sizeof(enum mw_stage) == 4);

PIN(MW_SETTING_BOOL == 0); PIN(MW_SETTING_COUNT == 1); PIN(MW_SETTING_SIZE == 2); PIN(MW_SETTING_DURATION == 3);
PIN(MW_SETTING_TEXT == 4); PIN(MW_SETTING_CHOICE == 5); PIN(MW_SETTING_FILES == 6);

SIZE(mw_setting, 72); AT(mw_setting, size, 0); AT(mw_setting, name, 8); AT(mw_setting, type, 16);
AT(mw_setting, default_text, 24); AT(mw_setting, choices, 32); AT(mw_setting, min, 40); AT(mw_setting, max, 48);
AT(mw_setting, repeatable, 56); AT(mw_setting, help, 64);

SIZE(mw_setting_value, 56); AT(mw_setting_value, size, 0); AT(mw_setting_value, number, 8); AT(mw_setting_value, texts, 16);
AT(mw_setting_value, text_count, 24); AT(mw_setting_value, file, 32); AT(mw_setting_value, line, 40);
AT(mw_setting_value, column, 44); AT(mw_setting_value, places, 48);

SIZE(mw_setting_place, 24); AT(mw_setting_place, file, 0); AT(mw_setting_place, line, 8); AT(mw_setting_place, column, 12);
AT(mw_setting_place, length, 16); AT(mw_setting_place, directive, 20);

PIN(MW_FACT_NONE == 0); PIN(MW_FACT_TEXT == 1); PIN(MW_FACT_NUMBER == 2); PIN(MW_FACT_ADDRESS == 3); PIN(MW_FACT_ERROR == 4);
/* Passed by value: it can never grow. */
SIZE(mw_fact, 32); AT(mw_fact, type, 0); AT(mw_fact, text, 8); AT(mw_fact, number, 24);

PIN(MW_RCPT_PENDING == 0); PIN(MW_RCPT_ACCEPTED == 1); PIN(MW_RCPT_REFUSED_FILTER == 2); PIN(MW_RCPT_REFUSED_UPSTREAM == 3);
PIN(MW_RCPT_DISCARDED == 4); PIN(MW_RCPT_DELETED == 5); PIN(MW_RCPT_ADDED == 6);

SIZE(mw_path_view, 96); AT(mw_path_view, size, 0); AT(mw_path_view, address, 8); AT(mw_path_view, local, 24);
AT(mw_path_view, domain, 40); AT(mw_path_view, original, 56); AT(mw_path_view, params, 72); AT(mw_path_view, status, 88);

SIZE(mw_header_view, 48); AT(mw_header_view, size, 0); AT(mw_header_view, name, 8); AT(mw_header_view, value, 24);
AT(mw_header_view, is_added, 40);

PIN(MW_LOG_DEBUG == 0); PIN(MW_LOG_INFO == 1); PIN(MW_LOG_WARNING == 2); PIN(MW_LOG_ERROR == 3);
SIZE(mw_log_pair, 24); AT(mw_log_pair, key, 0); AT(mw_log_pair, value, 8);

PIN(MW_DIAG_ERROR == 0); PIN(MW_DIAG_WARNING == 1);
SIZE(mw_diag, 56); AT(mw_diag, size, 0); AT(mw_diag, severity, 8); AT(mw_diag, file, 16); AT(mw_diag, line, 24);
AT(mw_diag, column, 28); AT(mw_diag, length, 32); AT(mw_diag, message, 40); AT(mw_diag, hint, 48);

SIZE(mw_test_result, 48); AT(mw_test_result, size, 0); AT(mw_test_result, name, 8); AT(mw_test_result, passed, 16);
AT(mw_test_result, file, 24); AT(mw_test_result, line, 32); AT(mw_test_result, detail, 40);

PIN(MW_WATCH_READ == 1); PIN(MW_WATCH_WRITE == 2); PIN(MW_WATCH_ERROR == 4);
/* The numbers of the DNS itself (RFC 1035 3.2.2, RFC 3596 2.1). */
PIN(MW_DNS_ADDRESS4 == 1); PIN(MW_DNS_NAME_OF == 12); PIN(MW_DNS_MAIL_EXCHANGER == 15); PIN(MW_DNS_STRINGS == 16);
PIN(MW_DNS_ADDRESS6 == 28);
PIN(MW_DNS_FOUND == 0); PIN(MW_DNS_NOTHING == 1); PIN(MW_DNS_FAILURE == 2);
SIZE(mw_dns_answer, 40); AT(mw_dns_answer, size, 0); AT(mw_dns_answer, outcome, 8); AT(mw_dns_answer, values, 16);
AT(mw_dns_answer, count, 24); AT(mw_dns_answer, is_missing, 32);

AT(mw_host, size, 0); AT(mw_host, abi, 8); AT(mw_host, version, 16);
#define HOST(n, field) SLOT(mw_host, 24, n, field)
HOST(0, setting); HOST(1, instance_name); HOST(2, want); HOST(3, diag); HOST(4, fact_id); HOST(5, fact_define);
HOST(6, counter); HOST(7, lang); HOST(8, instance_alloc);
HOST(9, state); HOST(10, session_slot); HOST(11, transaction_slot); HOST(12, session_alloc); HOST(13, transaction_alloc);
HOST(14, fact); HOST(15, fact_set); HOST(16, now_ms);
HOST(17, sender); HOST(18, rcpt_count); HOST(19, rcpt); HOST(20, rcpt_current); HOST(21, upstream_reply);
HOST(22, message_size);
HOST(23, header_count); HOST(24, header); HOST(25, header_find); HOST(26, header_decoded); HOST(27, body_view);
HOST(28, set_sender); HOST(29, rcpt_replace); HOST(30, rcpt_add); HOST(31, rcpt_delete); HOST(32, header_add);
HOST(33, header_insert); HOST(34, header_change); HOST(35, header_delete); HOST(36, body_replace);
HOST(37, reply); HOST(38, because);
HOST(39, park); HOST(40, resume); HOST(41, timer); HOST(42, timer_cancel); HOST(43, work);
HOST(44, log); HOST(45, count);
HOST(46, rcpt_verdict); HOST(47, rcpt_group);
HOST(48, want_content); HOST(49, content); HOST(50, content_read); HOST(51, content_hold); HOST(52, content_release);
HOST(53, header_text); HOST(54, header_addresses); HOST(55, fold);
HOST(56, watch); HOST(57, watch_change); HOST(58, watch_end); HOST(59, alarm); HOST(60, alarm_cancel);
HOST(61, dns); HOST(62, dns_cancel); HOST(63, job); HOST(64, note); HOST(65, tally); HOST(66, clock_ms);
HOST(67, is_explained); HOST(68, explain);
HOST(69, is_observed);
HOST(70, query); HOST(71, auth_result); HOST(72, authserv_id); HOST(73, body_is_replaced);
SIZE(mw_host, 24 + 8 * 74);

AT(mw_filter, size, 0); AT(mw_filter, abi, 8); AT(mw_filter, name, 16); AT(mw_filter, version, 24);
AT(mw_filter, summary, 32); AT(mw_filter, settings, 40); AT(mw_filter, setting_count, 48);
#define FILTER(n, field) SLOT(mw_filter, 56, n, field)
FILTER(0, open); FILTER(1, close); FILTER(2, test);
FILTER(3, connect); FILTER(4, helo); FILTER(5, starttls); FILTER(6, auth); FILTER(7, mail); FILTER(8, rcpt);
FILTER(9, rcpt_reply); FILTER(10, data); FILTER(11, header); FILTER(12, end_of_headers); FILTER(13, body);
FILTER(14, end_of_message); FILTER(15, abort); FILTER(16, session_close); FILTER(17, command);
FILTER(18, start); FILTER(19, report); FILTER(20, tool);
FILTER(21, edited);
SIZE(mw_filter, 56 + 8 * 22);

PIN(MW_CONTENT_PARTS == 1); PIN(MW_CONTENT_TEXT == 2); PIN(MW_CONTENT_HTML == 4); PIN(MW_CONTENT_URLS == 8);
PIN(MW_CONTENT_SHA256 == 16); PIN(MW_CONTENT_MAGIC == 32); PIN(MW_CONTENT_ARCHIVES == 64);
PIN(MW_DEFECT_NOTE == 0); PIN(MW_DEFECT_MALFORMED == 1); PIN(MW_DEFECT_AMBIGUOUS == 2);
PIN(MW_URL_TEXT == 0); PIN(MW_URL_LINK == 1); PIN(MW_URL_RESOURCE == 2);

SIZE(mw_content_defect, 32); AT(mw_content_defect, size, 0); AT(mw_content_defect, name, 8);
AT(mw_content_defect, severity, 16); AT(mw_content_defect, meaning, 24);

SIZE(mw_content_member, 40); AT(mw_content_member, size, 0); AT(mw_content_member, name, 8);
AT(mw_content_member, octets, 24); AT(mw_content_member, is_encrypted, 32); AT(mw_content_member, depth, 36);

SIZE(mw_content_part, 288); AT(mw_content_part, size, 0); AT(mw_content_part, index, 8);
AT(mw_content_part, depth, 12); AT(mw_content_part, path, 16); AT(mw_content_part, header, 32);
AT(mw_content_part, type, 48); AT(mw_content_part, type_declared, 64); AT(mw_content_part, magic, 80);
AT(mw_content_part, charset, 96); AT(mw_content_part, disposition, 112); AT(mw_content_part, encoding, 128);
AT(mw_content_part, content_id, 144); AT(mw_content_part, names, 160); AT(mw_content_part, name_count, 168);
AT(mw_content_part, octets, 176); AT(mw_content_part, sha256, 184); AT(mw_content_part, text, 200);
AT(mw_content_part, visible, 216); AT(mw_content_part, members, 232); AT(mw_content_part, member_count, 240);
AT(mw_content_part, defects, 248); AT(mw_content_part, defect_count, 256); AT(mw_content_part, is_container, 264);
AT(mw_content_part, is_message, 268); AT(mw_content_part, is_attachment, 272);
AT(mw_content_part, is_alternative, 276); AT(mw_content_part, is_truncated, 280);
AT(mw_content_part, is_encrypted, 284);

SIZE(mw_content_url, 80); AT(mw_content_url, size, 0); AT(mw_content_url, url, 8); AT(mw_content_url, scheme, 24);
AT(mw_content_url, host, 40); AT(mw_content_url, text, 56); AT(mw_content_url, part, 72);
AT(mw_content_url, source, 76);

SIZE(mw_content, 72); AT(mw_content, size, 0); AT(mw_content, needs, 8); AT(mw_content, parts, 16);
AT(mw_content, part_count, 24); AT(mw_content, urls, 32); AT(mw_content, url_count, 40);
AT(mw_content, defects, 48); AT(mw_content, defect_count, 56); AT(mw_content, octets, 64);

SIZE(mw_address, 72); AT(mw_address, size, 0); AT(mw_address, address, 8); AT(mw_address, local, 24);
AT(mw_address, domain, 40); AT(mw_address, name, 56);

PIN(MW_TOKEN_END == 0); PIN(MW_TOKEN_NEWLINE == 1); PIN(MW_TOKEN_WORD == 2); PIN(MW_TOKEN_NUMBER == 3);
PIN(MW_TOKEN_STRING == 4); PIN(MW_TOKEN_RAW == 5); PIN(MW_TOKEN_REGEX == 6); PIN(MW_TOKEN_ADDRESS == 7);
PIN(MW_TOKEN_PUNCT == 8); PIN(MW_TOKEN_ERROR == 9);
PIN(MW_LEX_CONFIG == 0); PIN(MW_LEX_EXPR == 1); PIN(MW_LEX_LITERAL == 2); PIN(MW_LEX_REGEX == 3); PIN(MW_LEX_ADDRESS == 4);

/* Returned by value: it can never grow. */
SIZE(mw_token, 72); AT(mw_token, kind, 0); AT(mw_token, text, 8); AT(mw_token, value, 24); AT(mw_token, flags, 40);
AT(mw_token, line, 56); AT(mw_token, column, 60); AT(mw_token, at_line_start, 64); AT(mw_token, indent, 68);

AT(mw_lang, size, 0);
#define LANG(n, field) SLOT(mw_lang, 8, n, field)
LANG(0, lex_open); LANG(1, lex_close); LANG(2, lex_next); LANG(3, lex_peek); LANG(4, near_name); LANG(5, parse_size);
LANG(6, parse_duration); LANG(7, parse_rate); LANG(8, parse_network); LANG(9, file_read); LANG(10, file_free);
SIZE(mw_lang, 8 + 8 * 11);
/* clang-format on */

#endif
