#include "xfed/rt/password.h"

#include <crypt.h>
#include <stdatomic.h>
#include <stdio.h>

#include "xfed/mem.h"

#define METHOD "$y$"
/* What nobody's password is compared with: the usual cost, and a salt. */
#define NOBODY METHOD "j9T$abcdefghijklmnopqrstu/"

static atomic_uint count;
static char last[RT_PASSWORD_HASH];

unsigned rt_password_count(char setting[RT_PASSWORD_HASH])
{
	snprintf(setting, RT_PASSWORD_HASH, "%s", last);
	return atomic_load(&count);
}

bool rt_password_is_usable(struct xfed_span password)
{
	return password.len > 0 && password.len <= RT_PASSWORD_BYTES && !memchr(password.data, '\0', password.len);
}

bool rt_password_is_hash(struct xfed_span text)
{
	static const size_t parts = 4; /* behind each dollar: method, cost, salt, hash */
	size_t dollars = 0;
	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];
		bool is_letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '/';
		if (c != '$' && !is_letter) {
			return false;
		}
		dollars += c == '$';
	}
	return text.len > sizeof(NOBODY) && text.len < RT_PASSWORD_HASH && dollars == parts && memcmp(text.data, METHOD, strlen(METHOD)) == 0;
}

/* Up to the last dollar: without it the text of a hash is none. */
static int run(struct xfed_span password, const char *setting, char out[RT_PASSWORD_HASH])
{
	char phrase[RT_PASSWORD_BYTES + 1];
	struct crypt_data *data = xfed_calloc(1, sizeof(*data));
	if (!data) {
		return XFED_ERR_NOMEM;
	}
	memcpy(phrase, password.data, password.len);
	phrase[password.len] = '\0';
	atomic_fetch_add(&count, 1);
	snprintf(last, sizeof(last), "%s", setting);
	const char *hash = crypt_rn(phrase, setting, data, (int)sizeof(*data));
	bool is_done = hash && hash[0] == '$' && strlen(hash) < RT_PASSWORD_HASH;
	if (is_done) {
		memcpy(out, hash, strlen(hash) + 1);
	}
	xfed_wipe(phrase, sizeof(phrase));
	xfed_wipe(data, sizeof(*data));
	xfed_free(data);
	return is_done ? XFED_OK : XFED_ERR_LIBRARY;
}

int rt_password_hash(struct xfed_span password, char out[RT_PASSWORD_HASH])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	if (!rt_password_is_usable(password)) {
		return XFED_ERR_INVALID;
	}
	return crypt_gensalt_rn(METHOD, 0, NULL, 0, setting, sizeof(setting)) ? run(password, setting, out) : XFED_ERR_LIBRARY;
}

bool rt_password_is(const char *hash, const char *like, struct xfed_span password)
{
	char made[RT_PASSWORD_HASH];
	if (!rt_password_is_usable(password)) {
		return false;
	}
	const char *setting = hash ? hash : like ? like : NOBODY;
	bool is_same = run(password, setting, made) == XFED_OK && hash && xfed_span_eq_secret(xfed_span_str(made), xfed_span_str(hash));
	xfed_wipe(made, sizeof(made));
	return is_same;
}
