#include "jid/internal.h"

#include <arpa/inet.h>

static bool is_ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_ipv4(const char *p, size_t len)
{
	char text[INET_ADDRSTRLEN];
	struct in_addr addr;
	if (len >= sizeof(text)) {
		return false;
	}
	memcpy(text, p, len);
	text[len] = '\0';
	return inet_pton(AF_INET, text, &addr) == 1;
}

enum jid_ascii_result jid_label_check_ascii(const char *p, size_t len)
{
	if (len == 0 || len > XFED_LABEL_POINTS || p[0] == '-' || p[len - 1] == '-') {
		return JID_ASCII_BAD;
	}
	for (size_t i = 0; i < len; i++) {
		if (!is_ldh(p[i])) {
			return JID_ASCII_BAD;
		}
	}
	return len >= 4 && memcmp(p, "xn--", 4) == 0 ? JID_ASCII_NO : JID_ASCII_OK;
}

bool jid_domain_is_false_address(const char *p, size_t len)
{
	size_t i = len;
	while (i > 0 && p[i - 1] >= '0' && p[i - 1] <= '9') {
		i--;
	}
	bool is_number = i < len && (i == 0 || p[i - 1] == '.');
	return is_number && !is_ipv4(p, len);
}

/* Lower-cases in place as far as it is ASCII. */
static bool lower_ascii(char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] >= 'A' && p[i] <= 'Z') {
			p[i] = (char)(p[i] | 0x20);
		} else if (p[i] & 0x80) {
			return false;
		}
	}
	return true;
}

enum jid_ascii_result jid_domain_fold_ascii(char *p, size_t *len)
{
	if (*len > 0 && p[*len - 1] == '.') {
		--*len;
	}
	if (!lower_ascii(p, *len) || (*len > 0 && p[0] == '[')) {
		return JID_ASCII_NO;
	}
	if (*len == 0 || *len > XFED_DOMAIN_POINTS || jid_domain_is_false_address(p, *len)) {
		return JID_ASCII_BAD;
	}
	enum jid_ascii_result result = JID_ASCII_OK;
	for (size_t start = 0, i = 0; i <= *len; i++) {
		if (i < *len && p[i] != '.') {
			continue;
		}
		enum jid_ascii_result label = jid_label_check_ascii(p + start, i - start);
		if (label == JID_ASCII_BAD) {
			return label;
		}
		if (label == JID_ASCII_NO) {
			result = label;
		}
		start = i + 1;
	}
	return result;
}
