/* Phrases of error messages: what was found, what is accepted. */
#include "conf_internal.h"

#include <stdio.h>

const char *conf_quote(struct xfed_span s, char out[CONF_FOUND_BYTES])
{
	size_t n = 0;
	out[n++] = '"';
	size_t i = 0;
	while (i < s.len && n + 12 < CONF_FOUND_BYTES) {
		unsigned char c = (unsigned char)s.data[i];
		/* whole characters, so that the message stays UTF-8 */
		size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
		if (len > s.len - i) {
			break;
		}
		if (c < 0x20 || c == 0x7f) {
			n += (size_t)snprintf(out + n, CONF_FOUND_BYTES - n, "\\x%02x", c);
		} else if (len == 2 && c == 0xc2 && (unsigned char)s.data[i + 1] == 0xa0) {
			n += (size_t)snprintf(out + n, CONF_FOUND_BYTES - n, "\\u00a0"); /* it looks like a blank */
		} else {
			memcpy(out + n, s.data + i, len);
			n += len;
		}
		i += len;
	}
	memcpy(out + n, i < s.len ? "...\"" : "\"", i < s.len ? 5 : 2);
	return out;
}

void conf_list_keys(const struct rt_conf_table *t, const char *inside, char *out, size_t size)
{
	static const char more[] = " | ...";
	size_t len = 0;
	out[0] = '\0';
	for (size_t i = 0; i < t->row_count; i++) {
		const struct rt_conf_row *row = &t->rows[i];
		const char *tail = row->type == RT_CONF_OBJECT ? inside : "";
		size_t need = (i > 0 ? 3 : 0) + strlen(row->name) + strlen(tail), left = i + 1 < t->row_count ? sizeof(more) - 1 : 0;
		if (len + need + left >= size) {
			snprintf(out + len, size - len, "%s", more);
			return;
		}
		len += (size_t)snprintf(out + len, size - len, "%s%s%s", i > 0 ? " | " : "", row->name, tail);
	}
}

static void accepted_words(const struct rt_conf_row *row, char *out)
{
	size_t n = 0;
	out[0] = '\0';
	for (const struct rt_conf_word *w = row->words; w->word && n < CONF_ACCEPTED_BYTES; w++) {
		int len = snprintf(out + n, CONF_ACCEPTED_BYTES - n, "%s%s", n > 0 ? " | " : "", w->word);
		n += len > 0 ? (size_t)len : 0;
	}
}

static void accepted_number(const struct rt_conf_row *row, char *out)
{
	char min[32], max[32], number[32];
	const char *fallback = conf_fallback(row, number);
	conf_number_text(row->type, row->min, min);
	conf_number_text(row->type, row->max > 0 ? row->max : UINT32_MAX, max);
	if (row->type == RT_CONF_INT) {
		snprintf(out, CONF_ACCEPTED_BYTES, "a whole number from %s to %s%s%s", min, max, row->unit ? " " : "", row->unit ? row->unit : "");
	} else {
		snprintf(out, CONF_ACCEPTED_BYTES, "a %s from %s to %s, such as %s", row->type == RT_CONF_DURATION ? "duration" : "size", min, max,
			fallback ? fallback : max);
	}
}

static const char *plain_phrase(enum rt_conf_type type)
{
	switch (type) {
	case RT_CONF_STRING:
		return "a text that is not empty";
	case RT_CONF_PATH:
		return "an absolute path";
	case RT_CONF_BOOL:
		return "true | false";
	case RT_CONF_IP:
		return "an IP address such as 192.0.2.1 or 2001:db8::1";
	case RT_CONF_ADDRESS:
		return "HOST:PORT such as host.example:5269, 192.0.2.1:53 or [2001:db8::1]:53";
	case RT_CONF_LISTEN:
		return "IP:PORT such as 127.0.0.1:9560 or [::1]:9560";
	case RT_CONF_STRINGS:
		return "a list of texts, [a, b]";
	case RT_CONF_PATHS:
		return "a list of absolute paths, [/a, /b]";
	case RT_CONF_LISTENS:
		return "a list of IP:PORT such as [\"192.0.2.1:5269\", \"[::1]:53\"]";
	case RT_CONF_SIP_LISTENS:
		return "a list of TRANSPORT:IP:PORT such as [\"tls:0.0.0.0:5061\", \"udp:[::1]:5060\"]";
	case RT_CONF_OBJECT:
		return "an object, key: value";
	case RT_CONF_OBJECTS:
		return "a list of objects, - key: value";
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
	case RT_CONF_ENUM:
	case RT_CONF_ENUM_SET:
		break;
	}
	return "";
}

void conf_accepted(const struct rt_conf_row *row, char out[CONF_ACCEPTED_BYTES])
{
	switch (row->type) {
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
		accepted_number(row, out);
		return;
	case RT_CONF_ENUM_SET: {
		char words[CONF_ACCEPTED_BYTES];
		accepted_words(row, words);
		snprintf(out, CONF_ACCEPTED_BYTES, "a list of %.*s", CONF_ACCEPTED_BYTES - 16, words);
		return;
	}
	case RT_CONF_ENUM:
		accepted_words(row, out);
		return;
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_BOOL:
	case RT_CONF_IP:
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
	case RT_CONF_STRINGS:
	case RT_CONF_PATHS:
	case RT_CONF_LISTENS:
	case RT_CONF_SIP_LISTENS:
	case RT_CONF_OBJECT:
	case RT_CONF_OBJECTS:
		snprintf(out, CONF_ACCEPTED_BYTES, "%s", plain_phrase(row->type));
		return;
	}
}

void conf_accepted_item(const struct rt_conf_row *row, char out[CONF_ACCEPTED_BYTES])
{
	switch (row->type) {
	case RT_CONF_STRINGS:
		snprintf(out, CONF_ACCEPTED_BYTES, "%s", plain_phrase(RT_CONF_STRING));
		return;
	case RT_CONF_PATHS:
		snprintf(out, CONF_ACCEPTED_BYTES, "%s", plain_phrase(RT_CONF_PATH));
		return;
	case RT_CONF_LISTENS:
		snprintf(out, CONF_ACCEPTED_BYTES, "IP:PORT such as 192.0.2.1:5269 or [::1]:53");
		return;
	case RT_CONF_SIP_LISTENS:
		snprintf(out, CONF_ACCEPTED_BYTES, "TRANSPORT:IP:PORT such as tls:0.0.0.0:5061, tcp:127.0.0.1:5060 or udp:[::1]:5060");
		return;
	case RT_CONF_ENUM_SET:
		accepted_words(row, out);
		return;
	case RT_CONF_OBJECTS:
		snprintf(out, CONF_ACCEPTED_BYTES, "%s", plain_phrase(RT_CONF_OBJECT));
		return;
	case RT_CONF_STRING:
	case RT_CONF_PATH:
	case RT_CONF_BOOL:
	case RT_CONF_INT:
	case RT_CONF_DURATION:
	case RT_CONF_SIZE:
	case RT_CONF_ENUM:
	case RT_CONF_IP:
	case RT_CONF_ADDRESS:
	case RT_CONF_LISTEN:
	case RT_CONF_OBJECT:
		conf_accepted(row, out);
		return;
	}
}
