/* main.c - the program: everything is in cli/ (commands), ops/ (processes) and below. */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return mw_cli_main(argc, argv);
}
