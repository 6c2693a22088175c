#include "xfed/tls.h"

#include "tls/tls_priv.h"

/*
 * RFC 9325: TLS 1.2 and 1.3, forward secrecy, AEAD. The suite that RFC 6120 13.8 makes mandatory has neither, and is off ([A4-08]). Tickets
 * are off in both directions: a resumed session would keep an identity judged by earlier trust and revocation lists, and s2s streams are
 * too long for resumption to matter. PROFILE_MEDIUM refuses chains below 112 bits (RSA 2048).
 */
#define PRIORITY(versions)                                                                                                                           \
	"NORMAL:-VERS-ALL:" versions ":-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:-CIPHER-ALL:+AES-256-GCM:"                                                    \
	"+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD:-GROUP-ALL:+GROUP-X25519:+GROUP-"                                                            \
	"SECP256R1:"                                                                                                                                 \
	"+GROUP-SECP384R1:+GROUP-SECP521R1:-SIGN-RSA-SHA1:-SIGN-ECDSA-SHA1:-SIGN-DSA-SHA1:%NO_"                                                      \
	"TICKETS:"                                                                                                                                   \
	"%PROFILE_MEDIUM"

static gnutls_priority_t both_versions, only_13;
static const struct xfed_env *global_env;

gnutls_priority_t xfed_tls_priority(bool tls13_only)
{
	return tls13_only ? only_13 : both_versions;
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

int xfed_tls_global_init(const struct xfed_env *env)
{
	if (gnutls_global_init() < 0) {
		return XFED_ERR_LIBRARY;
	}
	if (gnutls_priority_init(&both_versions, PRIORITY("+VERS-TLS1.3:+VERS-TLS1.2"), NULL) < 0) {
		goto fail_global;
	}
	if (gnutls_priority_init(&only_13, PRIORITY("+VERS-TLS1.3"), NULL) < 0) {
		goto fail_both;
	}
	global_env = env;
	gnutls_global_set_time_function(wall_time);
	return XFED_OK;
fail_both:
	gnutls_priority_deinit(both_versions);
	both_versions = NULL;
fail_global:
	gnutls_global_deinit();
	return XFED_ERR_LIBRARY;
}

void xfed_tls_global_deinit(void)
{
	if (!both_versions) {
		return;
	}
	gnutls_priority_deinit(both_versions);
	gnutls_priority_deinit(only_13);
	both_versions = only_13 = NULL;
	gnutls_global_deinit();
	global_env = NULL;
}
