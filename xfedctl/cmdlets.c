/* What replaces the cmdlets that an administrator of Lync Server knows: `xfedctl help CMDLET`. */
#include <strings.h>

#include "ctl.h"

#define KIND_COMMAND  "xfedctl does it"
#define KIND_SETTING  "a value in a file does it"
#define KIND_NEEDLESS "not needed"
#define KIND_LYNC     "it is run in Lync all the same; xfedctl prints how"

#define LINE_COLUMNS 100

static const struct {
	const char *name, *kind, *command, *text;
} cmdlets[] = {
#define CMDLET(name, kind, command, text) { name, KIND_##kind, command, text },
#include "xfedctl/cmdlets.def"
};

/* A name as a whole, or all cmdlets of a noun: "CsXmppAllowedPartner". As in PowerShell, capitals or not. */
static bool is_meant(const char *name, const char *word)
{
	return strcasecmp(name, word) == 0 || strcasecmp(strchr(name, '-') + 1, word) == 0;
}

/* Breaks lines between words. */
static void print_text(const char *text, FILE *out)
{
	size_t column = 0;
	while (*text) {
		size_t len = strcspn(text, " ");
		bool is_new = column == 0 || column + 1 + len > LINE_COLUMNS;
		fprintf(out, "%s%.*s", column == 0 ? "  " : is_new ? "\n  " : " ", (int)len, text);
		column = is_new ? 2 + len : column + 1 + len;
		text += len + strspn(text + len, " ");
	}
	fprintf(out, "\n");
}

size_t ctl_cmdlet(const char *word, FILE *out)
{
	size_t count = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(cmdlets); i++) {
		if (!is_meant(cmdlets[i].name, word)) {
			continue;
		}
		count++;
		fprintf(out, "%s: %s\n", cmdlets[i].name, cmdlets[i].kind);
		fprintf(out, cmdlets[i].command[0] ? "  xfedctl %s\n" : "", cmdlets[i].command);
		print_text(cmdlets[i].text, out);
	}
	return count;
}
