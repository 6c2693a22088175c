#include "xfed/tls.h"

#include "tls/tls_priv.h"

/*
 * RFC 9325: TLS 1.2 and 1.3, forward secrecy, AEAD. The suite that RFC 6120 13.8 makes mandatory has neither, and is off ([A4-08]). Tickets
 * are off in both directions: a resumed session would keep an identity judged by earlier trust and revocation lists, and s2s streams are
 * too long for resumption to matter. PROFILE_MEDIUM refuses chains below 112 bits (RSA 2048).
 *
 * What is older has no AEAD, so CBC comes with it, behind everything else and still with forward secrecy. That SHA-1 is off for signatures
 * does not touch TLS 1.0 and 1.1, which sign the key exchange by it and know nothing else.
 */
#define PRIORITY(versions, suites)                                                                                                                   \
	"NORMAL:-VERS-ALL:" versions ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:-MAC-ALL:" suites ":-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:"   \
	"+GROUP-SECP384R1:+GROUP-SECP521R1:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:-SIGN-DSA-SHA1:%NO_TICKETS:%PROFILE_MEDIUM"
#define SUITES	   "+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:+AEAD"
#define SUITES_CBC SUITES ":+AES-256-CBC:+AES-128-CBC:+SHA384:+SHA256:+SHA1"
#define VERSIONS   "+VERS-TLS1.3:+VERS-TLS1.2"

#define PLACE(oldest) ((oldest)-XFED_TLS_1_0)
#define PLACE_1_2_CBC (PLACE(XFED_TLS_1_3) + 1)

static const char *const words[] = {
	[PLACE(XFED_TLS_1_0)] = PRIORITY(VERSIONS ":+VERS-TLS1.1:+VERS-TLS1.0", SUITES_CBC),
	[PLACE(XFED_TLS_1_1)] = PRIORITY(VERSIONS ":+VERS-TLS1.1", SUITES_CBC),
	[PLACE(XFED_TLS_1_2)] = PRIORITY(VERSIONS, SUITES),
	[PLACE(XFED_TLS_1_3)] = PRIORITY("+VERS-TLS1.3", SUITES),
	[PLACE_1_2_CBC] = PRIORITY(VERSIONS, SUITES_CBC),
};
static gnutls_priority_t priorities[XFED_ARRAY_LEN(words)];
static const struct xfed_env *global_env;

gnutls_priority_t xfed_tls_priority(enum xfed_tls_version oldest, bool takes_cbc)
{
	return priorities[oldest == XFED_TLS_1_2 && takes_cbc ? PLACE_1_2_CBC : PLACE(oldest)];
}

/* Called also from the thread of a job. */
static time_t wall_time(time_t *out)
{
	time_t now = global_env ? (time_t)global_env->wall_s(global_env->user) : 0;
	if (out) {
		*out = now;
	}
	return now;
}

static void free_priorities(void)
{
	for (size_t i = 0; i < XFED_ARRAY_LEN(priorities) && priorities[i]; i++) {
		gnutls_priority_deinit(priorities[i]);
		priorities[i] = NULL;
	}
}

int xfed_tls_global_init(const struct xfed_env *env)
{
	if (gnutls_global_init() < 0) {
		return XFED_ERR_LIBRARY;
	}
	for (size_t i = 0; i < XFED_ARRAY_LEN(priorities); i++) {
		if (gnutls_priority_init(&priorities[i], words[i], NULL) < 0) {
			priorities[i] = NULL;
			free_priorities();
			gnutls_global_deinit();
			return XFED_ERR_LIBRARY;
		}
	}
	global_env = env;
	gnutls_global_set_time_function(wall_time);
	return XFED_OK;
}

void xfed_tls_global_deinit(void)
{
	if (!priorities[0]) {
		return;
	}
	free_priorities();
	gnutls_global_deinit();
	global_env = NULL;
}
