/* html_names.c - character references: numbers, and all names of HTML 13.5.
 *
 * The tables were written by a script from the standard's entities.json (Python's html.entities
 * holds the same): 2,125 names that end in ';' in octet order, and the 106 of them that old pages
 * may write without it. A name is looked up by bisection among those with its first letter. */
#include "message/html_priv.h"

#include <string.h>

enum { NAME_MAX_LEN = 32 };

/* clang-format off */
/* name=value NUL, in octet order. */
static const char names[] =
    "AElig=\303\206\0AMP=&\0Aacute=\303\201\0Abreve=\304\202\0Acirc=\303\202\0Acy=\320\220\0"
    "Afr=\360\235\224\204\0Agrave=\303\200\0Alpha=\316\221\0Amacr=\304\200\0And=\342\251\223\0"
    "Aogon=\304\204\0Aopf=\360\235\224\270\0ApplyFunction=\342\201\241\0Aring=\303\205\0"
    "Ascr=\360\235\222\234\0Assign=\342\211\224\0Atilde=\303\203\0Auml=\303\204\0"
    "Backslash=\342\210\226\0Barv=\342\253\247\0Barwed=\342\214\206\0Bcy=\320\221\0"
    "Because=\342\210\265\0Bernoullis=\342\204\254\0Beta=\316\222\0Bfr=\360\235\224\205\0"
    "Bopf=\360\235\224\271\0Breve=\313\230\0Bscr=\342\204\254\0Bumpeq=\342\211\216\0"
    "CHcy=\320\247\0COPY=\302\251\0Cacute=\304\206\0Cap=\342\213\222\0"
    "CapitalDifferentialD=\342\205\205\0Cayleys=\342\204\255\0Ccaron=\304\214\0Ccedil=\303\207\0"
    "Ccirc=\304\210\0Cconint=\342\210\260\0Cdot=\304\212\0Cedilla=\302\270\0CenterDot=\302\267\0"
    "Cfr=\342\204\255\0Chi=\316\247\0CircleDot=\342\212\231\0CircleMinus=\342\212\226\0"
    "CirclePlus=\342\212\225\0CircleTimes=\342\212\227\0ClockwiseContourIntegral=\342\210\262\0"
    "CloseCurlyDoubleQuote=\342\200\235\0CloseCurlyQuote=\342\200\231\0Colon=\342\210\267\0"
    "Colone=\342\251\264\0Congruent=\342\211\241\0Conint=\342\210\257\0"
    "ContourIntegral=\342\210\256\0Copf=\342\204\202\0Coproduct=\342\210\220\0"
    "CounterClockwiseContourIntegral=\342\210\263\0Cross=\342\250\257\0Cscr=\360\235\222\236\0"
    "Cup=\342\213\223\0CupCap=\342\211\215\0"
    "DD=\342\205\205\0DDotrahd=\342\244\221\0DJcy=\320\202\0DScy=\320\205\0DZcy=\320\217\0"
    "Dagger=\342\200\241\0Darr=\342\206\241\0Dashv=\342\253\244\0Dcaron=\304\216\0Dcy=\320\224\0"
    "Del=\342\210\207\0Delta=\316\224\0Dfr=\360\235\224\207\0DiacriticalAcute=\302\264\0"
    "DiacriticalDot=\313\231\0DiacriticalDoubleAcute=\313\235\0DiacriticalGrave=`\0"
    "DiacriticalTilde=\313\234\0Diamond=\342\213\204\0DifferentialD=\342\205\206\0"
    "Dopf=\360\235\224\273\0Dot=\302\250\0DotDot=\342\203\234\0DotEqual=\342\211\220\0"
    "DoubleContourIntegral=\342\210\257\0DoubleDot=\302\250\0DoubleDownArrow=\342\207\223\0"
    "DoubleLeftArrow=\342\207\220\0DoubleLeftRightArrow=\342\207\224\0"
    "DoubleLeftTee=\342\253\244\0DoubleLongLeftArrow=\342\237\270\0"
    "DoubleLongLeftRightArrow=\342\237\272\0DoubleLongRightArrow=\342\237\271\0"
    "DoubleRightArrow=\342\207\222\0DoubleRightTee=\342\212\250\0DoubleUpArrow=\342\207\221\0"
    "DoubleUpDownArrow=\342\207\225\0DoubleVerticalBar=\342\210\245\0DownArrow=\342\206\223\0"
    "DownArrowBar=\342\244\223\0DownArrowUpArrow=\342\207\265\0DownBreve=\314\221\0"
    "DownLeftRightVector=\342\245\220\0DownLeftTeeVector=\342\245\236\0"
    "DownLeftVector=\342\206\275\0DownLeftVectorBar=\342\245\226\0"
    "DownRightTeeVector=\342\245\237\0DownRightVector=\342\207\201\0"
    "DownRightVectorBar=\342\245\227\0DownTee=\342\212\244\0DownTeeArrow=\342\206\247\0"
    "Downarrow=\342\207\223\0Dscr=\360\235\222\237\0Dstrok=\304\220\0"
    "ENG=\305\212\0ETH=\303\220\0Eacute=\303\211\0Ecaron=\304\232\0Ecirc=\303\212\0Ecy=\320\255\0"
    "Edot=\304\226\0Efr=\360\235\224\210\0Egrave=\303\210\0Element=\342\210\210\0Emacr=\304\222\0"
    "EmptySmallSquare=\342\227\273\0EmptyVerySmallSquare=\342\226\253\0Eogon=\304\230\0"
    "Eopf=\360\235\224\274\0Epsilon=\316\225\0Equal=\342\251\265\0EqualTilde=\342\211\202\0"
    "Equilibrium=\342\207\214\0Escr=\342\204\260\0Esim=\342\251\263\0Eta=\316\227\0"
    "Euml=\303\213\0Exists=\342\210\203\0ExponentialE=\342\205\207\0"
    "Fcy=\320\244\0Ffr=\360\235\224\211\0FilledSmallSquare=\342\227\274\0"
    "FilledVerySmallSquare=\342\226\252\0Fopf=\360\235\224\275\0ForAll=\342\210\200\0"
    "Fouriertrf=\342\204\261\0Fscr=\342\204\261\0"
    "GJcy=\320\203\0GT=>\0Gamma=\316\223\0Gammad=\317\234\0Gbreve=\304\236\0Gcedil=\304\242\0"
    "Gcirc=\304\234\0Gcy=\320\223\0Gdot=\304\240\0Gfr=\360\235\224\212\0Gg=\342\213\231\0"
    "Gopf=\360\235\224\276\0GreaterEqual=\342\211\245\0GreaterEqualLess=\342\213\233\0"
    "GreaterFullEqual=\342\211\247\0GreaterGreater=\342\252\242\0GreaterLess=\342\211\267\0"
    "GreaterSlantEqual=\342\251\276\0GreaterTilde=\342\211\263\0Gscr=\360\235\222\242\0"
    "Gt=\342\211\253\0"
    "HARDcy=\320\252\0Hacek=\313\207\0Hat=^\0Hcirc=\304\244\0Hfr=\342\204\214\0"
    "HilbertSpace=\342\204\213\0Hopf=\342\204\215\0HorizontalLine=\342\224\200\0"
    "Hscr=\342\204\213\0Hstrok=\304\246\0HumpDownHump=\342\211\216\0HumpEqual=\342\211\217\0"
    "IEcy=\320\225\0IJlig=\304\262\0IOcy=\320\201\0Iacute=\303\215\0Icirc=\303\216\0"
    "Icy=\320\230\0Idot=\304\260\0Ifr=\342\204\221\0Igrave=\303\214\0Im=\342\204\221\0"
    "Imacr=\304\252\0ImaginaryI=\342\205\210\0Implies=\342\207\222\0Int=\342\210\254\0"
    "Integral=\342\210\253\0Intersection=\342\213\202\0InvisibleComma=\342\201\243\0"
    "InvisibleTimes=\342\201\242\0Iogon=\304\256\0Iopf=\360\235\225\200\0Iota=\316\231\0"
    "Iscr=\342\204\220\0Itilde=\304\250\0Iukcy=\320\206\0Iuml=\303\217\0"
    "Jcirc=\304\264\0Jcy=\320\231\0Jfr=\360\235\224\215\0Jopf=\360\235\225\201\0"
    "Jscr=\360\235\222\245\0Jsercy=\320\210\0Jukcy=\320\204\0"
    "KHcy=\320\245\0KJcy=\320\214\0Kappa=\316\232\0Kcedil=\304\266\0Kcy=\320\232\0"
    "Kfr=\360\235\224\216\0Kopf=\360\235\225\202\0Kscr=\360\235\222\246\0"
    "LJcy=\320\211\0LT=<\0Lacute=\304\271\0Lambda=\316\233\0Lang=\342\237\252\0"
    "Laplacetrf=\342\204\222\0Larr=\342\206\236\0Lcaron=\304\275\0Lcedil=\304\273\0Lcy=\320\233\0"
    "LeftAngleBracket=\342\237\250\0LeftArrow=\342\206\220\0LeftArrowBar=\342\207\244\0"
    "LeftArrowRightArrow=\342\207\206\0LeftCeiling=\342\214\210\0LeftDoubleBracket=\342\237\246\0"
    "LeftDownTeeVector=\342\245\241\0LeftDownVector=\342\207\203\0"
    "LeftDownVectorBar=\342\245\231\0LeftFloor=\342\214\212\0LeftRightArrow=\342\206\224\0"
    "LeftRightVector=\342\245\216\0LeftTee=\342\212\243\0LeftTeeArrow=\342\206\244\0"
    "LeftTeeVector=\342\245\232\0LeftTriangle=\342\212\262\0LeftTriangleBar=\342\247\217\0"
    "LeftTriangleEqual=\342\212\264\0LeftUpDownVector=\342\245\221\0"
    "LeftUpTeeVector=\342\245\240\0LeftUpVector=\342\206\277\0LeftUpVectorBar=\342\245\230\0"
    "LeftVector=\342\206\274\0LeftVectorBar=\342\245\222\0Leftarrow=\342\207\220\0"
    "Leftrightarrow=\342\207\224\0LessEqualGreater=\342\213\232\0LessFullEqual=\342\211\246\0"
    "LessGreater=\342\211\266\0LessLess=\342\252\241\0LessSlantEqual=\342\251\275\0"
    "LessTilde=\342\211\262\0Lfr=\360\235\224\217\0Ll=\342\213\230\0Lleftarrow=\342\207\232\0"
    "Lmidot=\304\277\0LongLeftArrow=\342\237\265\0LongLeftRightArrow=\342\237\267\0"
    "LongRightArrow=\342\237\266\0Longleftarrow=\342\237\270\0Longleftrightarrow=\342\237\272\0"
    "Longrightarrow=\342\237\271\0Lopf=\360\235\225\203\0LowerLeftArrow=\342\206\231\0"
    "LowerRightArrow=\342\206\230\0Lscr=\342\204\222\0Lsh=\342\206\260\0Lstrok=\305\201\0"
    "Lt=\342\211\252\0"
    "Map=\342\244\205\0Mcy=\320\234\0MediumSpace=\342\201\237\0Mellintrf=\342\204\263\0"
    "Mfr=\360\235\224\220\0MinusPlus=\342\210\223\0Mopf=\360\235\225\204\0Mscr=\342\204\263\0"
    "Mu=\316\234\0"
    "NJcy=\320\212\0Nacute=\305\203\0Ncaron=\305\207\0Ncedil=\305\205\0Ncy=\320\235\0"
    "NegativeMediumSpace=\342\200\213\0NegativeThickSpace=\342\200\213\0"
    "NegativeThinSpace=\342\200\213\0NegativeVeryThinSpace=\342\200\213\0"
    "NestedGreaterGreater=\342\211\253\0NestedLessLess=\342\211\252\0NewLine=\012\0"
    "Nfr=\360\235\224\221\0NoBreak=\342\201\240\0NonBreakingSpace=\302\240\0Nopf=\342\204\225\0"
    "Not=\342\253\254\0NotCongruent=\342\211\242\0NotCupCap=\342\211\255\0"
    "NotDoubleVerticalBar=\342\210\246\0NotElement=\342\210\211\0NotEqual=\342\211\240\0"
    "NotEqualTilde=\342\211\202\314\270\0NotExists=\342\210\204\0NotGreater=\342\211\257\0"
    "NotGreaterEqual=\342\211\261\0NotGreaterFullEqual=\342\211\247\314\270\0"
    "NotGreaterGreater=\342\211\253\314\270\0NotGreaterLess=\342\211\271\0"
    "NotGreaterSlantEqual=\342\251\276\314\270\0NotGreaterTilde=\342\211\265\0"
    "NotHumpDownHump=\342\211\216\314\270\0NotHumpEqual=\342\211\217\314\270\0"
    "NotLeftTriangle=\342\213\252\0NotLeftTriangleBar=\342\247\217\314\270\0"
    "NotLeftTriangleEqual=\342\213\254\0NotLess=\342\211\256\0NotLessEqual=\342\211\260\0"
    "NotLessGreater=\342\211\270\0NotLessLess=\342\211\252\314\270\0"
    "NotLessSlantEqual=\342\251\275\314\270\0NotLessTilde=\342\211\264\0"
    "NotNestedGreaterGreater=\342\252\242\314\270\0NotNestedLessLess=\342\252\241\314\270\0"
    "NotPrecedes=\342\212\200\0NotPrecedesEqual=\342\252\257\314\270\0"
    "NotPrecedesSlantEqual=\342\213\240\0NotReverseElement=\342\210\214\0"
    "NotRightTriangle=\342\213\253\0NotRightTriangleBar=\342\247\220\314\270\0"
    "NotRightTriangleEqual=\342\213\255\0NotSquareSubset=\342\212\217\314\270\0"
    "NotSquareSubsetEqual=\342\213\242\0NotSquareSuperset=\342\212\220\314\270\0"
    "NotSquareSupersetEqual=\342\213\243\0NotSubset=\342\212\202\342\203\222\0"
    "NotSubsetEqual=\342\212\210\0NotSucceeds=\342\212\201\0"
    "NotSucceedsEqual=\342\252\260\314\270\0NotSucceedsSlantEqual=\342\213\241\0"
    "NotSucceedsTilde=\342\211\277\314\270\0NotSuperset=\342\212\203\342\203\222\0"
    "NotSupersetEqual=\342\212\211\0NotTilde=\342\211\201\0NotTildeEqual=\342\211\204\0"
    "NotTildeFullEqual=\342\211\207\0NotTildeTilde=\342\211\211\0NotVerticalBar=\342\210\244\0"
    "Nscr=\360\235\222\251\0Ntilde=\303\221\0Nu=\316\235\0"
    "OElig=\305\222\0Oacute=\303\223\0Ocirc=\303\224\0Ocy=\320\236\0Odblac=\305\220\0"
    "Ofr=\360\235\224\222\0Ograve=\303\222\0Omacr=\305\214\0Omega=\316\251\0Omicron=\316\237\0"
    "Oopf=\360\235\225\206\0OpenCurlyDoubleQuote=\342\200\234\0OpenCurlyQuote=\342\200\230\0"
    "Or=\342\251\224\0Oscr=\360\235\222\252\0Oslash=\303\230\0Otilde=\303\225\0"
    "Otimes=\342\250\267\0Ouml=\303\226\0OverBar=\342\200\276\0OverBrace=\342\217\236\0"
    "OverBracket=\342\216\264\0OverParenthesis=\342\217\234\0"
    "PartialD=\342\210\202\0Pcy=\320\237\0Pfr=\360\235\224\223\0Phi=\316\246\0Pi=\316\240\0"
    "PlusMinus=\302\261\0Poincareplane=\342\204\214\0Popf=\342\204\231\0Pr=\342\252\273\0"
    "Precedes=\342\211\272\0PrecedesEqual=\342\252\257\0PrecedesSlantEqual=\342\211\274\0"
    "PrecedesTilde=\342\211\276\0Prime=\342\200\263\0Product=\342\210\217\0"
    "Proportion=\342\210\267\0Proportional=\342\210\235\0Pscr=\360\235\222\253\0Psi=\316\250\0"
    "QUOT=\042\0Qfr=\360\235\224\224\0Qopf=\342\204\232\0Qscr=\360\235\222\254\0"
    "RBarr=\342\244\220\0REG=\302\256\0Racute=\305\224\0Rang=\342\237\253\0Rarr=\342\206\240\0"
    "Rarrtl=\342\244\226\0Rcaron=\305\230\0Rcedil=\305\226\0Rcy=\320\240\0Re=\342\204\234\0"
    "ReverseElement=\342\210\213\0ReverseEquilibrium=\342\207\213\0"
    "ReverseUpEquilibrium=\342\245\257\0Rfr=\342\204\234\0Rho=\316\241\0"
    "RightAngleBracket=\342\237\251\0RightArrow=\342\206\222\0RightArrowBar=\342\207\245\0"
    "RightArrowLeftArrow=\342\207\204\0RightCeiling=\342\214\211\0"
    "RightDoubleBracket=\342\237\247\0RightDownTeeVector=\342\245\235\0"
    "RightDownVector=\342\207\202\0RightDownVectorBar=\342\245\225\0RightFloor=\342\214\213\0"
    "RightTee=\342\212\242\0RightTeeArrow=\342\206\246\0RightTeeVector=\342\245\233\0"
    "RightTriangle=\342\212\263\0RightTriangleBar=\342\247\220\0RightTriangleEqual=\342\212\265\0"
    "RightUpDownVector=\342\245\217\0RightUpTeeVector=\342\245\234\0RightUpVector=\342\206\276\0"
    "RightUpVectorBar=\342\245\224\0RightVector=\342\207\200\0RightVectorBar=\342\245\223\0"
    "Rightarrow=\342\207\222\0Ropf=\342\204\235\0RoundImplies=\342\245\260\0"
    "Rrightarrow=\342\207\233\0Rscr=\342\204\233\0Rsh=\342\206\261\0RuleDelayed=\342\247\264\0"
    "SHCHcy=\320\251\0SHcy=\320\250\0SOFTcy=\320\254\0Sacute=\305\232\0Sc=\342\252\274\0"
    "Scaron=\305\240\0Scedil=\305\236\0Scirc=\305\234\0Scy=\320\241\0Sfr=\360\235\224\226\0"
    "ShortDownArrow=\342\206\223\0ShortLeftArrow=\342\206\220\0ShortRightArrow=\342\206\222\0"
    "ShortUpArrow=\342\206\221\0Sigma=\316\243\0SmallCircle=\342\210\230\0Sopf=\360\235\225\212\0"
    "Sqrt=\342\210\232\0Square=\342\226\241\0SquareIntersection=\342\212\223\0"
    "SquareSubset=\342\212\217\0SquareSubsetEqual=\342\212\221\0SquareSuperset=\342\212\220\0"
    "SquareSupersetEqual=\342\212\222\0SquareUnion=\342\212\224\0Sscr=\360\235\222\256\0"
    "Star=\342\213\206\0Sub=\342\213\220\0Subset=\342\213\220\0SubsetEqual=\342\212\206\0"
    "Succeeds=\342\211\273\0SucceedsEqual=\342\252\260\0SucceedsSlantEqual=\342\211\275\0"
    "SucceedsTilde=\342\211\277\0SuchThat=\342\210\213\0Sum=\342\210\221\0Sup=\342\213\221\0"
    "Superset=\342\212\203\0SupersetEqual=\342\212\207\0Supset=\342\213\221\0"
    "THORN=\303\236\0TRADE=\342\204\242\0TSHcy=\320\213\0TScy=\320\246\0Tab=\011\0Tau=\316\244\0"
    "Tcaron=\305\244\0Tcedil=\305\242\0Tcy=\320\242\0Tfr=\360\235\224\227\0"
    "Therefore=\342\210\264\0Theta=\316\230\0ThickSpace=\342\201\237\342\200\212\0"
    "ThinSpace=\342\200\211\0Tilde=\342\210\274\0TildeEqual=\342\211\203\0"
    "TildeFullEqual=\342\211\205\0TildeTilde=\342\211\210\0Topf=\360\235\225\213\0"
    "TripleDot=\342\203\233\0Tscr=\360\235\222\257\0Tstrok=\305\246\0"
    "Uacute=\303\232\0Uarr=\342\206\237\0Uarrocir=\342\245\211\0Ubrcy=\320\216\0Ubreve=\305\254\0"
    "Ucirc=\303\233\0Ucy=\320\243\0Udblac=\305\260\0Ufr=\360\235\224\230\0Ugrave=\303\231\0"
    "Umacr=\305\252\0UnderBar=_\0UnderBrace=\342\217\237\0UnderBracket=\342\216\265\0"
    "UnderParenthesis=\342\217\235\0Union=\342\213\203\0UnionPlus=\342\212\216\0Uogon=\305\262\0"
    "Uopf=\360\235\225\214\0UpArrow=\342\206\221\0UpArrowBar=\342\244\222\0"
    "UpArrowDownArrow=\342\207\205\0UpDownArrow=\342\206\225\0UpEquilibrium=\342\245\256\0"
    "UpTee=\342\212\245\0UpTeeArrow=\342\206\245\0Uparrow=\342\207\221\0"
    "Updownarrow=\342\207\225\0UpperLeftArrow=\342\206\226\0UpperRightArrow=\342\206\227\0"
    "Upsi=\317\222\0Upsilon=\316\245\0Uring=\305\256\0Uscr=\360\235\222\260\0Utilde=\305\250\0"
    "Uuml=\303\234\0"
    "VDash=\342\212\253\0Vbar=\342\253\253\0Vcy=\320\222\0Vdash=\342\212\251\0"
    "Vdashl=\342\253\246\0Vee=\342\213\201\0Verbar=\342\200\226\0Vert=\342\200\226\0"
    "VerticalBar=\342\210\243\0VerticalLine=|\0VerticalSeparator=\342\235\230\0"
    "VerticalTilde=\342\211\200\0VeryThinSpace=\342\200\212\0Vfr=\360\235\224\231\0"
    "Vopf=\360\235\225\215\0Vscr=\360\235\222\261\0Vvdash=\342\212\252\0"
    "Wcirc=\305\264\0Wedge=\342\213\200\0Wfr=\360\235\224\232\0Wopf=\360\235\225\216\0"
    "Wscr=\360\235\222\262\0"
    "Xfr=\360\235\224\233\0Xi=\316\236\0Xopf=\360\235\225\217\0Xscr=\360\235\222\263\0"
    "YAcy=\320\257\0YIcy=\320\207\0YUcy=\320\256\0Yacute=\303\235\0Ycirc=\305\266\0Ycy=\320\253\0"
    "Yfr=\360\235\224\234\0Yopf=\360\235\225\220\0Yscr=\360\235\222\264\0Yuml=\305\270\0"
    "ZHcy=\320\226\0Zacute=\305\271\0Zcaron=\305\275\0Zcy=\320\227\0Zdot=\305\273\0"
    "ZeroWidthSpace=\342\200\213\0Zeta=\316\226\0Zfr=\342\204\250\0Zopf=\342\204\244\0"
    "Zscr=\360\235\222\265\0"
    "aacute=\303\241\0abreve=\304\203\0ac=\342\210\276\0acE=\342\210\276\314\263\0"
    "acd=\342\210\277\0acirc=\303\242\0acute=\302\264\0acy=\320\260\0aelig=\303\246\0"
    "af=\342\201\241\0afr=\360\235\224\236\0agrave=\303\240\0alefsym=\342\204\265\0"
    "aleph=\342\204\265\0alpha=\316\261\0amacr=\304\201\0amalg=\342\250\277\0amp=&\0"
    "and=\342\210\247\0andand=\342\251\225\0andd=\342\251\234\0andslope=\342\251\230\0"
    "andv=\342\251\232\0ang=\342\210\240\0ange=\342\246\244\0angle=\342\210\240\0"
    "angmsd=\342\210\241\0angmsdaa=\342\246\250\0angmsdab=\342\246\251\0angmsdac=\342\246\252\0"
    "angmsdad=\342\246\253\0angmsdae=\342\246\254\0angmsdaf=\342\246\255\0angmsdag=\342\246\256\0"
    "angmsdah=\342\246\257\0angrt=\342\210\237\0angrtvb=\342\212\276\0angrtvbd=\342\246\235\0"
    "angsph=\342\210\242\0angst=\303\205\0angzarr=\342\215\274\0aogon=\304\205\0"
    "aopf=\360\235\225\222\0ap=\342\211\210\0apE=\342\251\260\0apacir=\342\251\257\0"
    "ape=\342\211\212\0apid=\342\211\213\0apos='\0approx=\342\211\210\0approxeq=\342\211\212\0"
    "aring=\303\245\0ascr=\360\235\222\266\0ast=*\0asymp=\342\211\210\0asympeq=\342\211\215\0"
    "atilde=\303\243\0auml=\303\244\0awconint=\342\210\263\0awint=\342\250\221\0"
    "bNot=\342\253\255\0backcong=\342\211\214\0backepsilon=\317\266\0backprime=\342\200\265\0"
    "backsim=\342\210\275\0backsimeq=\342\213\215\0barvee=\342\212\275\0barwed=\342\214\205\0"
    "barwedge=\342\214\205\0bbrk=\342\216\265\0bbrktbrk=\342\216\266\0bcong=\342\211\214\0"
    "bcy=\320\261\0bdquo=\342\200\236\0becaus=\342\210\265\0because=\342\210\265\0"
    "bemptyv=\342\246\260\0bepsi=\317\266\0bernou=\342\204\254\0beta=\316\262\0"
    "beth=\342\204\266\0between=\342\211\254\0bfr=\360\235\224\237\0bigcap=\342\213\202\0"
    "bigcirc=\342\227\257\0bigcup=\342\213\203\0bigodot=\342\250\200\0bigoplus=\342\250\201\0"
    "bigotimes=\342\250\202\0bigsqcup=\342\250\206\0bigstar=\342\230\205\0"
    "bigtriangledown=\342\226\275\0bigtriangleup=\342\226\263\0biguplus=\342\250\204\0"
    "bigvee=\342\213\201\0bigwedge=\342\213\200\0bkarow=\342\244\215\0blacklozenge=\342\247\253\0"
    "blacksquare=\342\226\252\0blacktriangle=\342\226\264\0blacktriangledown=\342\226\276\0"
    "blacktriangleleft=\342\227\202\0blacktriangleright=\342\226\270\0blank=\342\220\243\0"
    "blk12=\342\226\222\0blk14=\342\226\221\0blk34=\342\226\223\0block=\342\226\210\0"
    "bne==\342\203\245\0bnequiv=\342\211\241\342\203\245\0bnot=\342\214\220\0"
    "bopf=\360\235\225\223\0bot=\342\212\245\0bottom=\342\212\245\0bowtie=\342\213\210\0"
    "boxDL=\342\225\227\0boxDR=\342\225\224\0boxDl=\342\225\226\0boxDr=\342\225\223\0"
    "boxH=\342\225\220\0boxHD=\342\225\246\0boxHU=\342\225\251\0boxHd=\342\225\244\0"
    "boxHu=\342\225\247\0boxUL=\342\225\235\0boxUR=\342\225\232\0boxUl=\342\225\234\0"
    "boxUr=\342\225\231\0boxV=\342\225\221\0boxVH=\342\225\254\0boxVL=\342\225\243\0"
    "boxVR=\342\225\240\0boxVh=\342\225\253\0boxVl=\342\225\242\0boxVr=\342\225\237\0"
    "boxbox=\342\247\211\0boxdL=\342\225\225\0boxdR=\342\225\222\0boxdl=\342\224\220\0"
    "boxdr=\342\224\214\0boxh=\342\224\200\0boxhD=\342\225\245\0boxhU=\342\225\250\0"
    "boxhd=\342\224\254\0boxhu=\342\224\264\0boxminus=\342\212\237\0boxplus=\342\212\236\0"
    "boxtimes=\342\212\240\0boxuL=\342\225\233\0boxuR=\342\225\230\0boxul=\342\224\230\0"
    "boxur=\342\224\224\0boxv=\342\224\202\0boxvH=\342\225\252\0boxvL=\342\225\241\0"
    "boxvR=\342\225\236\0boxvh=\342\224\274\0boxvl=\342\224\244\0boxvr=\342\224\234\0"
    "bprime=\342\200\265\0breve=\313\230\0brvbar=\302\246\0bscr=\360\235\222\267\0"
    "bsemi=\342\201\217\0bsim=\342\210\275\0bsime=\342\213\215\0bsol=\134\0bsolb=\342\247\205\0"
    "bsolhsub=\342\237\210\0bull=\342\200\242\0bullet=\342\200\242\0bump=\342\211\216\0"
    "bumpE=\342\252\256\0bumpe=\342\211\217\0bumpeq=\342\211\217\0"
    "cacute=\304\207\0cap=\342\210\251\0capand=\342\251\204\0capbrcup=\342\251\211\0"
    "capcap=\342\251\213\0capcup=\342\251\207\0capdot=\342\251\200\0"
    "caps=\342\210\251\357\270\200\0caret=\342\201\201\0caron=\313\207\0ccaps=\342\251\215\0"
    "ccaron=\304\215\0ccedil=\303\247\0ccirc=\304\211\0ccups=\342\251\214\0ccupssm=\342\251\220\0"
    "cdot=\304\213\0cedil=\302\270\0cemptyv=\342\246\262\0cent=\302\242\0centerdot=\302\267\0"
    "cfr=\360\235\224\240\0chcy=\321\207\0check=\342\234\223\0checkmark=\342\234\223\0"
    "chi=\317\207\0cir=\342\227\213\0cirE=\342\247\203\0circ=\313\206\0circeq=\342\211\227\0"
    "circlearrowleft=\342\206\272\0circlearrowright=\342\206\273\0circledR=\302\256\0"
    "circledS=\342\223\210\0circledast=\342\212\233\0circledcirc=\342\212\232\0"
    "circleddash=\342\212\235\0cire=\342\211\227\0cirfnint=\342\250\220\0cirmid=\342\253\257\0"
    "cirscir=\342\247\202\0clubs=\342\231\243\0clubsuit=\342\231\243\0colon=:\0"
    "colone=\342\211\224\0coloneq=\342\211\224\0comma=,\0commat=@\0comp=\342\210\201\0"
    "compfn=\342\210\230\0complement=\342\210\201\0complexes=\342\204\202\0cong=\342\211\205\0"
    "congdot=\342\251\255\0conint=\342\210\256\0copf=\360\235\225\224\0coprod=\342\210\220\0"
    "copy=\302\251\0copysr=\342\204\227\0crarr=\342\206\265\0cross=\342\234\227\0"
    "cscr=\360\235\222\270\0csub=\342\253\217\0csube=\342\253\221\0csup=\342\253\220\0"
    "csupe=\342\253\222\0ctdot=\342\213\257\0cudarrl=\342\244\270\0cudarrr=\342\244\265\0"
    "cuepr=\342\213\236\0cuesc=\342\213\237\0cularr=\342\206\266\0cularrp=\342\244\275\0"
    "cup=\342\210\252\0cupbrcap=\342\251\210\0cupcap=\342\251\206\0cupcup=\342\251\212\0"
    "cupdot=\342\212\215\0cupor=\342\251\205\0cups=\342\210\252\357\270\200\0"
    "curarr=\342\206\267\0curarrm=\342\244\274\0curlyeqprec=\342\213\236\0"
    "curlyeqsucc=\342\213\237\0curlyvee=\342\213\216\0curlywedge=\342\213\217\0curren=\302\244\0"
    "curvearrowleft=\342\206\266\0curvearrowright=\342\206\267\0cuvee=\342\213\216\0"
    "cuwed=\342\213\217\0cwconint=\342\210\262\0cwint=\342\210\261\0cylcty=\342\214\255\0"
    "dArr=\342\207\223\0dHar=\342\245\245\0dagger=\342\200\240\0daleth=\342\204\270\0"
    "darr=\342\206\223\0dash=\342\200\220\0dashv=\342\212\243\0dbkarow=\342\244\217\0"
    "dblac=\313\235\0dcaron=\304\217\0dcy=\320\264\0dd=\342\205\206\0ddagger=\342\200\241\0"
    "ddarr=\342\207\212\0ddotseq=\342\251\267\0deg=\302\260\0delta=\316\264\0"
    "demptyv=\342\246\261\0dfisht=\342\245\277\0dfr=\360\235\224\241\0dharl=\342\207\203\0"
    "dharr=\342\207\202\0diam=\342\213\204\0diamond=\342\213\204\0diamondsuit=\342\231\246\0"
    "diams=\342\231\246\0die=\302\250\0digamma=\317\235\0disin=\342\213\262\0div=\303\267\0"
    "divide=\303\267\0divideontimes=\342\213\207\0divonx=\342\213\207\0djcy=\321\222\0"
    "dlcorn=\342\214\236\0dlcrop=\342\214\215\0dollar=$\0dopf=\360\235\225\225\0dot=\313\231\0"
    "doteq=\342\211\220\0doteqdot=\342\211\221\0dotminus=\342\210\270\0dotplus=\342\210\224\0"
    "dotsquare=\342\212\241\0doublebarwedge=\342\214\206\0downarrow=\342\206\223\0"
    "downdownarrows=\342\207\212\0downharpoonleft=\342\207\203\0downharpoonright=\342\207\202\0"
    "drbkarow=\342\244\220\0drcorn=\342\214\237\0drcrop=\342\214\214\0dscr=\360\235\222\271\0"
    "dscy=\321\225\0dsol=\342\247\266\0dstrok=\304\221\0dtdot=\342\213\261\0dtri=\342\226\277\0"
    "dtrif=\342\226\276\0duarr=\342\207\265\0duhar=\342\245\257\0dwangle=\342\246\246\0"
    "dzcy=\321\237\0dzigrarr=\342\237\277\0"
    "eDDot=\342\251\267\0eDot=\342\211\221\0eacute=\303\251\0easter=\342\251\256\0"
    "ecaron=\304\233\0ecir=\342\211\226\0ecirc=\303\252\0ecolon=\342\211\225\0ecy=\321\215\0"
    "edot=\304\227\0ee=\342\205\207\0efDot=\342\211\222\0efr=\360\235\224\242\0eg=\342\252\232\0"
    "egrave=\303\250\0egs=\342\252\226\0egsdot=\342\252\230\0el=\342\252\231\0"
    "elinters=\342\217\247\0ell=\342\204\223\0els=\342\252\225\0elsdot=\342\252\227\0"
    "emacr=\304\223\0empty=\342\210\205\0emptyset=\342\210\205\0emptyv=\342\210\205\0"
    "emsp=\342\200\203\0emsp13=\342\200\204\0emsp14=\342\200\205\0eng=\305\213\0"
    "ensp=\342\200\202\0eogon=\304\231\0eopf=\360\235\225\226\0epar=\342\213\225\0"
    "eparsl=\342\247\243\0eplus=\342\251\261\0epsi=\316\265\0epsilon=\316\265\0epsiv=\317\265\0"
    "eqcirc=\342\211\226\0eqcolon=\342\211\225\0eqsim=\342\211\202\0eqslantgtr=\342\252\226\0"
    "eqslantless=\342\252\225\0equals==\0equest=\342\211\237\0equiv=\342\211\241\0"
    "equivDD=\342\251\270\0eqvparsl=\342\247\245\0erDot=\342\211\223\0erarr=\342\245\261\0"
    "escr=\342\204\257\0esdot=\342\211\220\0esim=\342\211\202\0eta=\316\267\0eth=\303\260\0"
    "euml=\303\253\0euro=\342\202\254\0excl=!\0exist=\342\210\203\0expectation=\342\204\260\0"
    "exponentiale=\342\205\207\0"
    "fallingdotseq=\342\211\222\0fcy=\321\204\0female=\342\231\200\0ffilig=\357\254\203\0"
    "fflig=\357\254\200\0ffllig=\357\254\204\0ffr=\360\235\224\243\0filig=\357\254\201\0"
    "fjlig=fj\0flat=\342\231\255\0fllig=\357\254\202\0fltns=\342\226\261\0fnof=\306\222\0"
    "fopf=\360\235\225\227\0forall=\342\210\200\0fork=\342\213\224\0forkv=\342\253\231\0"
    "fpartint=\342\250\215\0frac12=\302\275\0frac13=\342\205\223\0frac14=\302\274\0"
    "frac15=\342\205\225\0frac16=\342\205\231\0frac18=\342\205\233\0frac23=\342\205\224\0"
    "frac25=\342\205\226\0frac34=\302\276\0frac35=\342\205\227\0frac38=\342\205\234\0"
    "frac45=\342\205\230\0frac56=\342\205\232\0frac58=\342\205\235\0frac78=\342\205\236\0"
    "frasl=\342\201\204\0frown=\342\214\242\0fscr=\360\235\222\273\0"
    "gE=\342\211\247\0gEl=\342\252\214\0gacute=\307\265\0gamma=\316\263\0gammad=\317\235\0"
    "gap=\342\252\206\0gbreve=\304\237\0gcirc=\304\235\0gcy=\320\263\0gdot=\304\241\0"
    "ge=\342\211\245\0gel=\342\213\233\0geq=\342\211\245\0geqq=\342\211\247\0"
    "geqslant=\342\251\276\0ges=\342\251\276\0gescc=\342\252\251\0gesdot=\342\252\200\0"
    "gesdoto=\342\252\202\0gesdotol=\342\252\204\0gesl=\342\213\233\357\270\200\0"
    "gesles=\342\252\224\0gfr=\360\235\224\244\0gg=\342\211\253\0ggg=\342\213\231\0"
    "gimel=\342\204\267\0gjcy=\321\223\0gl=\342\211\267\0glE=\342\252\222\0gla=\342\252\245\0"
    "glj=\342\252\244\0gnE=\342\211\251\0gnap=\342\252\212\0gnapprox=\342\252\212\0"
    "gne=\342\252\210\0gneq=\342\252\210\0gneqq=\342\211\251\0gnsim=\342\213\247\0"
    "gopf=\360\235\225\230\0grave=`\0gscr=\342\204\212\0gsim=\342\211\263\0gsime=\342\252\216\0"
    "gsiml=\342\252\220\0gt=>\0gtcc=\342\252\247\0gtcir=\342\251\272\0gtdot=\342\213\227\0"
    "gtlPar=\342\246\225\0gtquest=\342\251\274\0gtrapprox=\342\252\206\0gtrarr=\342\245\270\0"
    "gtrdot=\342\213\227\0gtreqless=\342\213\233\0gtreqqless=\342\252\214\0gtrless=\342\211\267\0"
    "gtrsim=\342\211\263\0gvertneqq=\342\211\251\357\270\200\0gvnE=\342\211\251\357\270\200\0"
    "hArr=\342\207\224\0hairsp=\342\200\212\0half=\302\275\0hamilt=\342\204\213\0"
    "hardcy=\321\212\0harr=\342\206\224\0harrcir=\342\245\210\0harrw=\342\206\255\0"
    "hbar=\342\204\217\0hcirc=\304\245\0hearts=\342\231\245\0heartsuit=\342\231\245\0"
    "hellip=\342\200\246\0hercon=\342\212\271\0hfr=\360\235\224\245\0hksearow=\342\244\245\0"
    "hkswarow=\342\244\246\0hoarr=\342\207\277\0homtht=\342\210\273\0hookleftarrow=\342\206\251\0"
    "hookrightarrow=\342\206\252\0hopf=\360\235\225\231\0horbar=\342\200\225\0"
    "hscr=\360\235\222\275\0hslash=\342\204\217\0hstrok=\304\247\0hybull=\342\201\203\0"
    "hyphen=\342\200\220\0"
    "iacute=\303\255\0ic=\342\201\243\0icirc=\303\256\0icy=\320\270\0iecy=\320\265\0"
    "iexcl=\302\241\0iff=\342\207\224\0ifr=\360\235\224\246\0igrave=\303\254\0ii=\342\205\210\0"
    "iiiint=\342\250\214\0iiint=\342\210\255\0iinfin=\342\247\234\0iiota=\342\204\251\0"
    "ijlig=\304\263\0imacr=\304\253\0image=\342\204\221\0imagline=\342\204\220\0"
    "imagpart=\342\204\221\0imath=\304\261\0imof=\342\212\267\0imped=\306\265\0in=\342\210\210\0"
    "incare=\342\204\205\0infin=\342\210\236\0infintie=\342\247\235\0inodot=\304\261\0"
    "int=\342\210\253\0intcal=\342\212\272\0integers=\342\204\244\0intercal=\342\212\272\0"
    "intlarhk=\342\250\227\0intprod=\342\250\274\0iocy=\321\221\0iogon=\304\257\0"
    "iopf=\360\235\225\232\0iota=\316\271\0iprod=\342\250\274\0iquest=\302\277\0"
    "iscr=\360\235\222\276\0isin=\342\210\210\0isinE=\342\213\271\0isindot=\342\213\265\0"
    "isins=\342\213\264\0isinsv=\342\213\263\0isinv=\342\210\210\0it=\342\201\242\0"
    "itilde=\304\251\0iukcy=\321\226\0iuml=\303\257\0"
    "jcirc=\304\265\0jcy=\320\271\0jfr=\360\235\224\247\0jmath=\310\267\0jopf=\360\235\225\233\0"
    "jscr=\360\235\222\277\0jsercy=\321\230\0jukcy=\321\224\0"
    "kappa=\316\272\0kappav=\317\260\0kcedil=\304\267\0kcy=\320\272\0kfr=\360\235\224\250\0"
    "kgreen=\304\270\0khcy=\321\205\0kjcy=\321\234\0kopf=\360\235\225\234\0"
    "kscr=\360\235\223\200\0"
    "lAarr=\342\207\232\0lArr=\342\207\220\0lAtail=\342\244\233\0lBarr=\342\244\216\0"
    "lE=\342\211\246\0lEg=\342\252\213\0lHar=\342\245\242\0lacute=\304\272\0"
    "laemptyv=\342\246\264\0lagran=\342\204\222\0lambda=\316\273\0lang=\342\237\250\0"
    "langd=\342\246\221\0langle=\342\237\250\0lap=\342\252\205\0laquo=\302\253\0"
    "larr=\342\206\220\0larrb=\342\207\244\0larrbfs=\342\244\237\0larrfs=\342\244\235\0"
    "larrhk=\342\206\251\0larrlp=\342\206\253\0larrpl=\342\244\271\0larrsim=\342\245\263\0"
    "larrtl=\342\206\242\0lat=\342\252\253\0latail=\342\244\231\0late=\342\252\255\0"
    "lates=\342\252\255\357\270\200\0lbarr=\342\244\214\0lbbrk=\342\235\262\0lbrace={\0lbrack=[\0"
    "lbrke=\342\246\213\0lbrksld=\342\246\217\0lbrkslu=\342\246\215\0lcaron=\304\276\0"
    "lcedil=\304\274\0lceil=\342\214\210\0lcub={\0lcy=\320\273\0ldca=\342\244\266\0"
    "ldquo=\342\200\234\0ldquor=\342\200\236\0ldrdhar=\342\245\247\0ldrushar=\342\245\213\0"
    "ldsh=\342\206\262\0le=\342\211\244\0leftarrow=\342\206\220\0leftarrowtail=\342\206\242\0"
    "leftharpoondown=\342\206\275\0leftharpoonup=\342\206\274\0leftleftarrows=\342\207\207\0"
    "leftrightarrow=\342\206\224\0leftrightarrows=\342\207\206\0leftrightharpoons=\342\207\213\0"
    "leftrightsquigarrow=\342\206\255\0leftthreetimes=\342\213\213\0leg=\342\213\232\0"
    "leq=\342\211\244\0leqq=\342\211\246\0leqslant=\342\251\275\0les=\342\251\275\0"
    "lescc=\342\252\250\0lesdot=\342\251\277\0lesdoto=\342\252\201\0lesdotor=\342\252\203\0"
    "lesg=\342\213\232\357\270\200\0lesges=\342\252\223\0lessapprox=\342\252\205\0"
    "lessdot=\342\213\226\0lesseqgtr=\342\213\232\0lesseqqgtr=\342\252\213\0"
    "lessgtr=\342\211\266\0lesssim=\342\211\262\0lfisht=\342\245\274\0lfloor=\342\214\212\0"
    "lfr=\360\235\224\251\0lg=\342\211\266\0lgE=\342\252\221\0lhard=\342\206\275\0"
    "lharu=\342\206\274\0lharul=\342\245\252\0lhblk=\342\226\204\0ljcy=\321\231\0"
    "ll=\342\211\252\0llarr=\342\207\207\0llcorner=\342\214\236\0llhard=\342\245\253\0"
    "lltri=\342\227\272\0lmidot=\305\200\0lmoust=\342\216\260\0lmoustache=\342\216\260\0"
    "lnE=\342\211\250\0lnap=\342\252\211\0lnapprox=\342\252\211\0lne=\342\252\207\0"
    "lneq=\342\252\207\0lneqq=\342\211\250\0lnsim=\342\213\246\0loang=\342\237\254\0"
    "loarr=\342\207\275\0lobrk=\342\237\246\0longleftarrow=\342\237\265\0"
    "longleftrightarrow=\342\237\267\0longmapsto=\342\237\274\0longrightarrow=\342\237\266\0"
    "looparrowleft=\342\206\253\0looparrowright=\342\206\254\0lopar=\342\246\205\0"
    "lopf=\360\235\225\235\0loplus=\342\250\255\0lotimes=\342\250\264\0lowast=\342\210\227\0"
    "lowbar=_\0loz=\342\227\212\0lozenge=\342\227\212\0lozf=\342\247\253\0lpar=(\0"
    "lparlt=\342\246\223\0lrarr=\342\207\206\0lrcorner=\342\214\237\0lrhar=\342\207\213\0"
    "lrhard=\342\245\255\0lrm=\342\200\216\0lrtri=\342\212\277\0lsaquo=\342\200\271\0"
    "lscr=\360\235\223\201\0lsh=\342\206\260\0lsim=\342\211\262\0lsime=\342\252\215\0"
    "lsimg=\342\252\217\0lsqb=[\0lsquo=\342\200\230\0lsquor=\342\200\232\0lstrok=\305\202\0lt=<\0"
    "ltcc=\342\252\246\0ltcir=\342\251\271\0ltdot=\342\213\226\0lthree=\342\213\213\0"
    "ltimes=\342\213\211\0ltlarr=\342\245\266\0ltquest=\342\251\273\0ltrPar=\342\246\226\0"
    "ltri=\342\227\203\0ltrie=\342\212\264\0ltrif=\342\227\202\0lurdshar=\342\245\212\0"
    "luruhar=\342\245\246\0lvertneqq=\342\211\250\357\270\200\0lvnE=\342\211\250\357\270\200\0"
    "mDDot=\342\210\272\0macr=\302\257\0male=\342\231\202\0malt=\342\234\240\0"
    "maltese=\342\234\240\0map=\342\206\246\0mapsto=\342\206\246\0mapstodown=\342\206\247\0"
    "mapstoleft=\342\206\244\0mapstoup=\342\206\245\0marker=\342\226\256\0mcomma=\342\250\251\0"
    "mcy=\320\274\0mdash=\342\200\224\0measuredangle=\342\210\241\0mfr=\360\235\224\252\0"
    "mho=\342\204\247\0micro=\302\265\0mid=\342\210\243\0midast=*\0midcir=\342\253\260\0"
    "middot=\302\267\0minus=\342\210\222\0minusb=\342\212\237\0minusd=\342\210\270\0"
    "minusdu=\342\250\252\0mlcp=\342\253\233\0mldr=\342\200\246\0mnplus=\342\210\223\0"
    "models=\342\212\247\0mopf=\360\235\225\236\0mp=\342\210\223\0mscr=\360\235\223\202\0"
    "mstpos=\342\210\276\0mu=\316\274\0multimap=\342\212\270\0mumap=\342\212\270\0"
    "nGg=\342\213\231\314\270\0nGt=\342\211\253\342\203\222\0nGtv=\342\211\253\314\270\0"
    "nLeftarrow=\342\207\215\0nLeftrightarrow=\342\207\216\0nLl=\342\213\230\314\270\0"
    "nLt=\342\211\252\342\203\222\0nLtv=\342\211\252\314\270\0nRightarrow=\342\207\217\0"
    "nVDash=\342\212\257\0nVdash=\342\212\256\0nabla=\342\210\207\0nacute=\305\204\0"
    "nang=\342\210\240\342\203\222\0nap=\342\211\211\0napE=\342\251\260\314\270\0"
    "napid=\342\211\213\314\270\0napos=\305\211\0napprox=\342\211\211\0natur=\342\231\256\0"
    "natural=\342\231\256\0naturals=\342\204\225\0nbsp=\302\240\0nbump=\342\211\216\314\270\0"
    "nbumpe=\342\211\217\314\270\0ncap=\342\251\203\0ncaron=\305\210\0ncedil=\305\206\0"
    "ncong=\342\211\207\0ncongdot=\342\251\255\314\270\0ncup=\342\251\202\0ncy=\320\275\0"
    "ndash=\342\200\223\0ne=\342\211\240\0neArr=\342\207\227\0nearhk=\342\244\244\0"
    "nearr=\342\206\227\0nearrow=\342\206\227\0nedot=\342\211\220\314\270\0nequiv=\342\211\242\0"
    "nesear=\342\244\250\0nesim=\342\211\202\314\270\0nexist=\342\210\204\0nexists=\342\210\204\0"
    "nfr=\360\235\224\253\0ngE=\342\211\247\314\270\0nge=\342\211\261\0ngeq=\342\211\261\0"
    "ngeqq=\342\211\247\314\270\0ngeqslant=\342\251\276\314\270\0nges=\342\251\276\314\270\0"
    "ngsim=\342\211\265\0ngt=\342\211\257\0ngtr=\342\211\257\0nhArr=\342\207\216\0"
    "nharr=\342\206\256\0nhpar=\342\253\262\0ni=\342\210\213\0nis=\342\213\274\0"
    "nisd=\342\213\272\0niv=\342\210\213\0njcy=\321\232\0nlArr=\342\207\215\0"
    "nlE=\342\211\246\314\270\0nlarr=\342\206\232\0nldr=\342\200\245\0nle=\342\211\260\0"
    "nleftarrow=\342\206\232\0nleftrightarrow=\342\206\256\0nleq=\342\211\260\0"
    "nleqq=\342\211\246\314\270\0nleqslant=\342\251\275\314\270\0nles=\342\251\275\314\270\0"
    "nless=\342\211\256\0nlsim=\342\211\264\0nlt=\342\211\256\0nltri=\342\213\252\0"
    "nltrie=\342\213\254\0nmid=\342\210\244\0nopf=\360\235\225\237\0not=\302\254\0"
    "notin=\342\210\211\0notinE=\342\213\271\314\270\0notindot=\342\213\265\314\270\0"
    "notinva=\342\210\211\0notinvb=\342\213\267\0notinvc=\342\213\266\0notni=\342\210\214\0"
    "notniva=\342\210\214\0notnivb=\342\213\276\0notnivc=\342\213\275\0npar=\342\210\246\0"
    "nparallel=\342\210\246\0nparsl=\342\253\275\342\203\245\0npart=\342\210\202\314\270\0"
    "npolint=\342\250\224\0npr=\342\212\200\0nprcue=\342\213\240\0npre=\342\252\257\314\270\0"
    "nprec=\342\212\200\0npreceq=\342\252\257\314\270\0nrArr=\342\207\217\0nrarr=\342\206\233\0"
    "nrarrc=\342\244\263\314\270\0nrarrw=\342\206\235\314\270\0nrightarrow=\342\206\233\0"
    "nrtri=\342\213\253\0nrtrie=\342\213\255\0nsc=\342\212\201\0nsccue=\342\213\241\0"
    "nsce=\342\252\260\314\270\0nscr=\360\235\223\203\0nshortmid=\342\210\244\0"
    "nshortparallel=\342\210\246\0nsim=\342\211\201\0nsime=\342\211\204\0nsimeq=\342\211\204\0"
    "nsmid=\342\210\244\0nspar=\342\210\246\0nsqsube=\342\213\242\0nsqsupe=\342\213\243\0"
    "nsub=\342\212\204\0nsubE=\342\253\205\314\270\0nsube=\342\212\210\0"
    "nsubset=\342\212\202\342\203\222\0nsubseteq=\342\212\210\0nsubseteqq=\342\253\205\314\270\0"
    "nsucc=\342\212\201\0nsucceq=\342\252\260\314\270\0nsup=\342\212\205\0"
    "nsupE=\342\253\206\314\270\0nsupe=\342\212\211\0nsupset=\342\212\203\342\203\222\0"
    "nsupseteq=\342\212\211\0nsupseteqq=\342\253\206\314\270\0ntgl=\342\211\271\0"
    "ntilde=\303\261\0ntlg=\342\211\270\0ntriangleleft=\342\213\252\0"
    "ntrianglelefteq=\342\213\254\0ntriangleright=\342\213\253\0ntrianglerighteq=\342\213\255\0"
    "nu=\316\275\0num=#\0numero=\342\204\226\0numsp=\342\200\207\0nvDash=\342\212\255\0"
    "nvHarr=\342\244\204\0nvap=\342\211\215\342\203\222\0nvdash=\342\212\254\0"
    "nvge=\342\211\245\342\203\222\0nvgt=>\342\203\222\0nvinfin=\342\247\236\0"
    "nvlArr=\342\244\202\0nvle=\342\211\244\342\203\222\0nvlt=<\342\203\222\0"
    "nvltrie=\342\212\264\342\203\222\0nvrArr=\342\244\203\0nvrtrie=\342\212\265\342\203\222\0"
    "nvsim=\342\210\274\342\203\222\0nwArr=\342\207\226\0nwarhk=\342\244\243\0"
    "nwarr=\342\206\226\0nwarrow=\342\206\226\0nwnear=\342\244\247\0"
    "oS=\342\223\210\0oacute=\303\263\0oast=\342\212\233\0ocir=\342\212\232\0ocirc=\303\264\0"
    "ocy=\320\276\0odash=\342\212\235\0odblac=\305\221\0odiv=\342\250\270\0odot=\342\212\231\0"
    "odsold=\342\246\274\0oelig=\305\223\0ofcir=\342\246\277\0ofr=\360\235\224\254\0"
    "ogon=\313\233\0ograve=\303\262\0ogt=\342\247\201\0ohbar=\342\246\265\0ohm=\316\251\0"
    "oint=\342\210\256\0olarr=\342\206\272\0olcir=\342\246\276\0olcross=\342\246\273\0"
    "oline=\342\200\276\0olt=\342\247\200\0omacr=\305\215\0omega=\317\211\0omicron=\316\277\0"
    "omid=\342\246\266\0ominus=\342\212\226\0oopf=\360\235\225\240\0opar=\342\246\267\0"
    "operp=\342\246\271\0oplus=\342\212\225\0or=\342\210\250\0orarr=\342\206\273\0"
    "ord=\342\251\235\0order=\342\204\264\0orderof=\342\204\264\0ordf=\302\252\0ordm=\302\272\0"
    "origof=\342\212\266\0oror=\342\251\226\0orslope=\342\251\227\0orv=\342\251\233\0"
    "oscr=\342\204\264\0oslash=\303\270\0osol=\342\212\230\0otilde=\303\265\0"
    "otimes=\342\212\227\0otimesas=\342\250\266\0ouml=\303\266\0ovbar=\342\214\275\0"
    "par=\342\210\245\0para=\302\266\0parallel=\342\210\245\0parsim=\342\253\263\0"
    "parsl=\342\253\275\0part=\342\210\202\0pcy=\320\277\0percnt=%\0period=.\0"
    "permil=\342\200\260\0perp=\342\212\245\0pertenk=\342\200\261\0pfr=\360\235\224\255\0"
    "phi=\317\206\0phiv=\317\225\0phmmat=\342\204\263\0phone=\342\230\216\0pi=\317\200\0"
    "pitchfork=\342\213\224\0piv=\317\226\0planck=\342\204\217\0planckh=\342\204\216\0"
    "plankv=\342\204\217\0plus=+\0plusacir=\342\250\243\0plusb=\342\212\236\0"
    "pluscir=\342\250\242\0plusdo=\342\210\224\0plusdu=\342\250\245\0pluse=\342\251\262\0"
    "plusmn=\302\261\0plussim=\342\250\246\0plustwo=\342\250\247\0pm=\302\261\0"
    "pointint=\342\250\225\0popf=\360\235\225\241\0pound=\302\243\0pr=\342\211\272\0"
    "prE=\342\252\263\0prap=\342\252\267\0prcue=\342\211\274\0pre=\342\252\257\0"
    "prec=\342\211\272\0precapprox=\342\252\267\0preccurlyeq=\342\211\274\0preceq=\342\252\257\0"
    "precnapprox=\342\252\271\0precneqq=\342\252\265\0precnsim=\342\213\250\0"
    "precsim=\342\211\276\0prime=\342\200\262\0primes=\342\204\231\0prnE=\342\252\265\0"
    "prnap=\342\252\271\0prnsim=\342\213\250\0prod=\342\210\217\0profalar=\342\214\256\0"
    "profline=\342\214\222\0profsurf=\342\214\223\0prop=\342\210\235\0propto=\342\210\235\0"
    "prsim=\342\211\276\0prurel=\342\212\260\0pscr=\360\235\223\205\0psi=\317\210\0"
    "puncsp=\342\200\210\0"
    "qfr=\360\235\224\256\0qint=\342\250\214\0qopf=\360\235\225\242\0qprime=\342\201\227\0"
    "qscr=\360\235\223\206\0quaternions=\342\204\215\0quatint=\342\250\226\0quest=\077\0"
    "questeq=\342\211\237\0quot=\042\0"
    "rAarr=\342\207\233\0rArr=\342\207\222\0rAtail=\342\244\234\0rBarr=\342\244\217\0"
    "rHar=\342\245\244\0race=\342\210\275\314\261\0racute=\305\225\0radic=\342\210\232\0"
    "raemptyv=\342\246\263\0rang=\342\237\251\0rangd=\342\246\222\0range=\342\246\245\0"
    "rangle=\342\237\251\0raquo=\302\273\0rarr=\342\206\222\0rarrap=\342\245\265\0"
    "rarrb=\342\207\245\0rarrbfs=\342\244\240\0rarrc=\342\244\263\0rarrfs=\342\244\236\0"
    "rarrhk=\342\206\252\0rarrlp=\342\206\254\0rarrpl=\342\245\205\0rarrsim=\342\245\264\0"
    "rarrtl=\342\206\243\0rarrw=\342\206\235\0ratail=\342\244\232\0ratio=\342\210\266\0"
    "rationals=\342\204\232\0rbarr=\342\244\215\0rbbrk=\342\235\263\0rbrace=}\0rbrack=]\0"
    "rbrke=\342\246\214\0rbrksld=\342\246\216\0rbrkslu=\342\246\220\0rcaron=\305\231\0"
    "rcedil=\305\227\0rceil=\342\214\211\0rcub=}\0rcy=\321\200\0rdca=\342\244\267\0"
    "rdldhar=\342\245\251\0rdquo=\342\200\235\0rdquor=\342\200\235\0rdsh=\342\206\263\0"
    "real=\342\204\234\0realine=\342\204\233\0realpart=\342\204\234\0reals=\342\204\235\0"
    "rect=\342\226\255\0reg=\302\256\0rfisht=\342\245\275\0rfloor=\342\214\213\0"
    "rfr=\360\235\224\257\0rhard=\342\207\201\0rharu=\342\207\200\0rharul=\342\245\254\0"
    "rho=\317\201\0rhov=\317\261\0rightarrow=\342\206\222\0rightarrowtail=\342\206\243\0"
    "rightharpoondown=\342\207\201\0rightharpoonup=\342\207\200\0rightleftarrows=\342\207\204\0"
    "rightleftharpoons=\342\207\214\0rightrightarrows=\342\207\211\0"
    "rightsquigarrow=\342\206\235\0rightthreetimes=\342\213\214\0ring=\313\232\0"
    "risingdotseq=\342\211\223\0rlarr=\342\207\204\0rlhar=\342\207\214\0rlm=\342\200\217\0"
    "rmoust=\342\216\261\0rmoustache=\342\216\261\0rnmid=\342\253\256\0roang=\342\237\255\0"
    "roarr=\342\207\276\0robrk=\342\237\247\0ropar=\342\246\206\0ropf=\360\235\225\243\0"
    "roplus=\342\250\256\0rotimes=\342\250\265\0rpar=)\0rpargt=\342\246\224\0"
    "rppolint=\342\250\222\0rrarr=\342\207\211\0rsaquo=\342\200\272\0rscr=\360\235\223\207\0"
    "rsh=\342\206\261\0rsqb=]\0rsquo=\342\200\231\0rsquor=\342\200\231\0rthree=\342\213\214\0"
    "rtimes=\342\213\212\0rtri=\342\226\271\0rtrie=\342\212\265\0rtrif=\342\226\270\0"
    "rtriltri=\342\247\216\0ruluhar=\342\245\250\0rx=\342\204\236\0"
    "sacute=\305\233\0sbquo=\342\200\232\0sc=\342\211\273\0scE=\342\252\264\0scap=\342\252\270\0"
    "scaron=\305\241\0sccue=\342\211\275\0sce=\342\252\260\0scedil=\305\237\0scirc=\305\235\0"
    "scnE=\342\252\266\0scnap=\342\252\272\0scnsim=\342\213\251\0scpolint=\342\250\223\0"
    "scsim=\342\211\277\0scy=\321\201\0sdot=\342\213\205\0sdotb=\342\212\241\0"
    "sdote=\342\251\246\0seArr=\342\207\230\0searhk=\342\244\245\0searr=\342\206\230\0"
    "searrow=\342\206\230\0sect=\302\247\0semi=;\0seswar=\342\244\251\0setminus=\342\210\226\0"
    "setmn=\342\210\226\0sext=\342\234\266\0sfr=\360\235\224\260\0sfrown=\342\214\242\0"
    "sharp=\342\231\257\0shchcy=\321\211\0shcy=\321\210\0shortmid=\342\210\243\0"
    "shortparallel=\342\210\245\0shy=\302\255\0sigma=\317\203\0sigmaf=\317\202\0sigmav=\317\202\0"
    "sim=\342\210\274\0simdot=\342\251\252\0sime=\342\211\203\0simeq=\342\211\203\0"
    "simg=\342\252\236\0simgE=\342\252\240\0siml=\342\252\235\0simlE=\342\252\237\0"
    "simne=\342\211\206\0simplus=\342\250\244\0simrarr=\342\245\262\0slarr=\342\206\220\0"
    "smallsetminus=\342\210\226\0smashp=\342\250\263\0smeparsl=\342\247\244\0smid=\342\210\243\0"
    "smile=\342\214\243\0smt=\342\252\252\0smte=\342\252\254\0smtes=\342\252\254\357\270\200\0"
    "softcy=\321\214\0sol=/\0solb=\342\247\204\0solbar=\342\214\277\0sopf=\360\235\225\244\0"
    "spades=\342\231\240\0spadesuit=\342\231\240\0spar=\342\210\245\0sqcap=\342\212\223\0"
    "sqcaps=\342\212\223\357\270\200\0sqcup=\342\212\224\0sqcups=\342\212\224\357\270\200\0"
    "sqsub=\342\212\217\0sqsube=\342\212\221\0sqsubset=\342\212\217\0sqsubseteq=\342\212\221\0"
    "sqsup=\342\212\220\0sqsupe=\342\212\222\0sqsupset=\342\212\220\0sqsupseteq=\342\212\222\0"
    "squ=\342\226\241\0square=\342\226\241\0squarf=\342\226\252\0squf=\342\226\252\0"
    "srarr=\342\206\222\0sscr=\360\235\223\210\0ssetmn=\342\210\226\0ssmile=\342\214\243\0"
    "sstarf=\342\213\206\0star=\342\230\206\0starf=\342\230\205\0straightepsilon=\317\265\0"
    "straightphi=\317\225\0strns=\302\257\0sub=\342\212\202\0subE=\342\253\205\0"
    "subdot=\342\252\275\0sube=\342\212\206\0subedot=\342\253\203\0submult=\342\253\201\0"
    "subnE=\342\253\213\0subne=\342\212\212\0subplus=\342\252\277\0subrarr=\342\245\271\0"
    "subset=\342\212\202\0subseteq=\342\212\206\0subseteqq=\342\253\205\0subsetneq=\342\212\212\0"
    "subsetneqq=\342\253\213\0subsim=\342\253\207\0subsub=\342\253\225\0subsup=\342\253\223\0"
    "succ=\342\211\273\0succapprox=\342\252\270\0succcurlyeq=\342\211\275\0succeq=\342\252\260\0"
    "succnapprox=\342\252\272\0succneqq=\342\252\266\0succnsim=\342\213\251\0"
    "succsim=\342\211\277\0sum=\342\210\221\0sung=\342\231\252\0sup=\342\212\203\0sup1=\302\271\0"
    "sup2=\302\262\0sup3=\302\263\0supE=\342\253\206\0supdot=\342\252\276\0supdsub=\342\253\230\0"
    "supe=\342\212\207\0supedot=\342\253\204\0suphsol=\342\237\211\0suphsub=\342\253\227\0"
    "suplarr=\342\245\273\0supmult=\342\253\202\0supnE=\342\253\214\0supne=\342\212\213\0"
    "supplus=\342\253\200\0supset=\342\212\203\0supseteq=\342\212\207\0supseteqq=\342\253\206\0"
    "supsetneq=\342\212\213\0supsetneqq=\342\253\214\0supsim=\342\253\210\0supsub=\342\253\224\0"
    "supsup=\342\253\226\0swArr=\342\207\231\0swarhk=\342\244\246\0swarr=\342\206\231\0"
    "swarrow=\342\206\231\0swnwar=\342\244\252\0szlig=\303\237\0"
    "target=\342\214\226\0tau=\317\204\0tbrk=\342\216\264\0tcaron=\305\245\0tcedil=\305\243\0"
    "tcy=\321\202\0tdot=\342\203\233\0telrec=\342\214\225\0tfr=\360\235\224\261\0"
    "there4=\342\210\264\0therefore=\342\210\264\0theta=\316\270\0thetasym=\317\221\0"
    "thetav=\317\221\0thickapprox=\342\211\210\0thicksim=\342\210\274\0thinsp=\342\200\211\0"
    "thkap=\342\211\210\0thksim=\342\210\274\0thorn=\303\276\0tilde=\313\234\0times=\303\227\0"
    "timesb=\342\212\240\0timesbar=\342\250\261\0timesd=\342\250\260\0tint=\342\210\255\0"
    "toea=\342\244\250\0top=\342\212\244\0topbot=\342\214\266\0topcir=\342\253\261\0"
    "topf=\360\235\225\245\0topfork=\342\253\232\0tosa=\342\244\251\0tprime=\342\200\264\0"
    "trade=\342\204\242\0triangle=\342\226\265\0triangledown=\342\226\277\0"
    "triangleleft=\342\227\203\0trianglelefteq=\342\212\264\0triangleq=\342\211\234\0"
    "triangleright=\342\226\271\0trianglerighteq=\342\212\265\0tridot=\342\227\254\0"
    "trie=\342\211\234\0triminus=\342\250\272\0triplus=\342\250\271\0trisb=\342\247\215\0"
    "tritime=\342\250\273\0trpezium=\342\217\242\0tscr=\360\235\223\211\0tscy=\321\206\0"
    "tshcy=\321\233\0tstrok=\305\247\0twixt=\342\211\254\0twoheadleftarrow=\342\206\236\0"
    "twoheadrightarrow=\342\206\240\0"
    "uArr=\342\207\221\0uHar=\342\245\243\0uacute=\303\272\0uarr=\342\206\221\0ubrcy=\321\236\0"
    "ubreve=\305\255\0ucirc=\303\273\0ucy=\321\203\0udarr=\342\207\205\0udblac=\305\261\0"
    "udhar=\342\245\256\0ufisht=\342\245\276\0ufr=\360\235\224\262\0ugrave=\303\271\0"
    "uharl=\342\206\277\0uharr=\342\206\276\0uhblk=\342\226\200\0ulcorn=\342\214\234\0"
    "ulcorner=\342\214\234\0ulcrop=\342\214\217\0ultri=\342\227\270\0umacr=\305\253\0"
    "uml=\302\250\0uogon=\305\263\0uopf=\360\235\225\246\0uparrow=\342\206\221\0"
    "updownarrow=\342\206\225\0upharpoonleft=\342\206\277\0upharpoonright=\342\206\276\0"
    "uplus=\342\212\216\0upsi=\317\205\0upsih=\317\222\0upsilon=\317\205\0"
    "upuparrows=\342\207\210\0urcorn=\342\214\235\0urcorner=\342\214\235\0urcrop=\342\214\216\0"
    "uring=\305\257\0urtri=\342\227\271\0uscr=\360\235\223\212\0utdot=\342\213\260\0"
    "utilde=\305\251\0utri=\342\226\265\0utrif=\342\226\264\0uuarr=\342\207\210\0uuml=\303\274\0"
    "uwangle=\342\246\247\0"
    "vArr=\342\207\225\0vBar=\342\253\250\0vBarv=\342\253\251\0vDash=\342\212\250\0"
    "vangrt=\342\246\234\0varepsilon=\317\265\0varkappa=\317\260\0varnothing=\342\210\205\0"
    "varphi=\317\225\0varpi=\317\226\0varpropto=\342\210\235\0varr=\342\206\225\0"
    "varrho=\317\261\0varsigma=\317\202\0varsubsetneq=\342\212\212\357\270\200\0"
    "varsubsetneqq=\342\253\213\357\270\200\0varsupsetneq=\342\212\213\357\270\200\0"
    "varsupsetneqq=\342\253\214\357\270\200\0vartheta=\317\221\0vartriangleleft=\342\212\262\0"
    "vartriangleright=\342\212\263\0vcy=\320\262\0vdash=\342\212\242\0vee=\342\210\250\0"
    "veebar=\342\212\273\0veeeq=\342\211\232\0vellip=\342\213\256\0verbar=|\0vert=|\0"
    "vfr=\360\235\224\263\0vltri=\342\212\262\0vnsub=\342\212\202\342\203\222\0"
    "vnsup=\342\212\203\342\203\222\0vopf=\360\235\225\247\0vprop=\342\210\235\0"
    "vrtri=\342\212\263\0vscr=\360\235\223\213\0vsubnE=\342\253\213\357\270\200\0"
    "vsubne=\342\212\212\357\270\200\0vsupnE=\342\253\214\357\270\200\0"
    "vsupne=\342\212\213\357\270\200\0vzigzag=\342\246\232\0"
    "wcirc=\305\265\0wedbar=\342\251\237\0wedge=\342\210\247\0wedgeq=\342\211\231\0"
    "weierp=\342\204\230\0wfr=\360\235\224\264\0wopf=\360\235\225\250\0wp=\342\204\230\0"
    "wr=\342\211\200\0wreath=\342\211\200\0wscr=\360\235\223\214\0"
    "xcap=\342\213\202\0xcirc=\342\227\257\0xcup=\342\213\203\0xdtri=\342\226\275\0"
    "xfr=\360\235\224\265\0xhArr=\342\237\272\0xharr=\342\237\267\0xi=\316\276\0"
    "xlArr=\342\237\270\0xlarr=\342\237\265\0xmap=\342\237\274\0xnis=\342\213\273\0"
    "xodot=\342\250\200\0xopf=\360\235\225\251\0xoplus=\342\250\201\0xotime=\342\250\202\0"
    "xrArr=\342\237\271\0xrarr=\342\237\266\0xscr=\360\235\223\215\0xsqcup=\342\250\206\0"
    "xuplus=\342\250\204\0xutri=\342\226\263\0xvee=\342\213\201\0xwedge=\342\213\200\0"
    "yacute=\303\275\0yacy=\321\217\0ycirc=\305\267\0ycy=\321\213\0yen=\302\245\0"
    "yfr=\360\235\224\266\0yicy=\321\227\0yopf=\360\235\225\252\0yscr=\360\235\223\216\0"
    "yucy=\321\216\0yuml=\303\277\0"
    "zacute=\305\272\0zcaron=\305\276\0zcy=\320\267\0zdot=\305\274\0zeetrf=\342\204\250\0"
    "zeta=\316\266\0zfr=\360\235\224\267\0zhcy=\320\266\0zigrarr=\342\207\235\0"
    "zopf=\360\235\225\253\0zscr=\360\235\223\217\0zwj=\342\200\215\0zwnj=\342\200\214\0";

/* Where the names of a letter begin: A to Z, a to z, the end. */
static const uint16_t starts[53] = {
        0,   181,   305,   764,  1638,  1914,  2023,  2275,  2412,  2671,  2735,  2806,  3724,
     3817,  5148,  5413,  5645,  5680,  6371,  6909,  7152,  7594,  7798,  7846,  7881,  7968,
     8065,  8666,  9949, 11007, 11708, 12326, 12704, 13282, 13594, 14083, 14156, 14247, 15948,
    16330, 18197, 18698, 19381, 19485, 20615, 22257, 22907, 23400, 23915, 24021, 24256, 24350,
    24470,
};

/* Names that need no ';', by their first letter, longer ones first. */
static const char *const old_names['z' - 'A' + 1] = {
    ['A' - 'A'] = "Aacute Agrave Atilde AElig Acirc Aring Auml AMP",
    ['C' - 'A'] = "Ccedil COPY",
    ['E' - 'A'] = "Eacute Egrave Ecirc Euml ETH",
    ['G' - 'A'] = "GT",
    ['I' - 'A'] = "Iacute Igrave Icirc Iuml",
    ['L' - 'A'] = "LT",
    ['N' - 'A'] = "Ntilde",
    ['O' - 'A'] = "Oacute Ograve Oslash Otilde Ocirc Ouml",
    ['Q' - 'A'] = "QUOT",
    ['R' - 'A'] = "REG",
    ['T' - 'A'] = "THORN",
    ['U' - 'A'] = "Uacute Ugrave Ucirc Uuml",
    ['Y' - 'A'] = "Yacute",
    ['a' - 'A'] = "aacute agrave atilde acirc acute aelig aring auml amp",
    ['b' - 'A'] = "brvbar",
    ['c' - 'A'] = "ccedil curren cedil cent copy",
    ['d' - 'A'] = "divide deg",
    ['e' - 'A'] = "eacute egrave ecirc euml eth",
    ['f' - 'A'] = "frac12 frac14 frac34",
    ['g' - 'A'] = "gt",
    ['i' - 'A'] = "iacute igrave iquest icirc iexcl iuml",
    ['l' - 'A'] = "laquo lt",
    ['m' - 'A'] = "middot micro macr",
    ['n' - 'A'] = "ntilde nbsp not",
    ['o' - 'A'] = "oacute ograve oslash otilde ocirc ordf ordm ouml",
    ['p' - 'A'] = "plusmn pound para",
    ['q' - 'A'] = "quot",
    ['r' - 'A'] = "raquo reg",
    ['s' - 'A'] = "szlig sect sup1 sup2 sup3 shy",
    ['t' - 'A'] = "thorn times",
    ['u' - 'A'] = "uacute ugrave ucirc uuml uml",
    ['y' - 'A'] = "yacute yuml yen",
};

/* What &#128; to &#159; are read as (13.2.5.80): windows-1252; 0: itself. */
static const uint16_t c1[32] = {
    0x20ac,      0, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152,      0, 0x017d,      0,
         0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153,      0, 0x017e, 0x0178,
};
/* clang-format on */

static size_t put_char(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

/* 13.2.5.80: numbers that are no character. */
static uint32_t usable(uint32_t code)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0xfffd;
    if (code >= 0x80 && code <= 0x9f && c1[code - 0x80] != 0)
        return c1[code - 0x80];
    return code;
}

static size_t read_number(struct mw_slice text, char *out_value, size_t *out_len)
{
    size_t at = 2;
    bool is_hex = text.len > 2 && mw_lower(text.ptr[2]) == 'x';
    if (is_hex)
        at++;
    size_t first = at;
    uint32_t code = 0;
    for (; at < text.len; at++) {
        int value = is_hex                      ? mw_hex_value(text.ptr[at])
                    : mw_is_digit(text.ptr[at]) ? text.ptr[at] - '0'
                                                : -1;
        if (value < 0)
            break;
        if (code <= 0x10ffff)
            code = code * (is_hex ? 16 : 10) + (uint32_t)value;
    }
    if (at == first)
        return 0;
    *out_len = put_char(usable(code), out_value);
    return at < text.len && text.ptr[at] == ';' ? at + 1 : at;
}

/* The value of `name`, NULL if there is no such name. */
static const char *find_name(struct mw_slice name)
{
    size_t letter = name.ptr[0] <= 'Z' ? (size_t)(name.ptr[0] - 'A')
                                       : (size_t)(name.ptr[0] - 'a') + 26;
    size_t low = starts[letter], high = starts[letter + 1];
    while (low < high) {
        size_t row = low + (high - low) / 2;
        while (row > low && names[row - 1] != '\0')
            row--;
        const char *end = strchr(names + row, '=');
        size_t len = (size_t)(end - (names + row));
        int order = memcmp(name.ptr, names + row, name.len < len ? name.len : len);
        if (order == 0 && name.len == len)
            return end + 1;
        if (order < 0 || (order == 0 && name.len < len))
            high = row;
        else
            low = (size_t)(end - names) + strlen(end) + 1;
    }
    return NULL;
}

/* Octets of the longest name without ';' that `run` begins with; 0: none. */
static size_t old_name(struct mw_slice run)
{
    const char *name = old_names[run.ptr[0] - 'A'];
    while (name != NULL) {
        const char *end = strchrnul(name, ' ');
        size_t len = (size_t)(end - name);
        if (len <= run.len && memcmp(name, run.ptr, len) == 0)
            return len;
        name = *end == '\0' ? NULL : end + 1;
    }
    return 0;
}

static void put_value(const char *value, char *out_value, size_t *out_len)
{
    *out_len = strlen(value);
    memcpy(out_value, value, *out_len);
}

size_t mw_html_reference(struct mw_slice text, bool is_attribute,
                         char out_value[MW_HTML_REFERENCE_MAX], size_t *out_len)
{
    if (text.len < 2)
        return 0;
    if (text.ptr[1] == '#')
        return read_number(text, out_value, out_len);
    struct mw_slice run = MW_SLICE(text.ptr + 1, 0);
    while (run.len + 1 < text.len && run.len < NAME_MAX_LEN && mw_is_alnum(run.ptr[run.len]))
        run.len++;
    if (run.len < 2 || !mw_is_alpha(run.ptr[0]))
        return 0;
    if (run.len + 1 < text.len && run.ptr[run.len] == ';') {
        const char *value = find_name(run);
        if (value != NULL) {
            put_value(value, out_value, out_len);
            return run.len + 2;
        }
    }
    size_t len = old_name(run);
    if (len == 0)
        return 0;
    if (is_attribute && len + 1 < text.len && (run.ptr[len] == '=' || mw_is_alnum(run.ptr[len])))
        return 0;
    put_value(find_name(mw_slice_take(run, len)), out_value, out_len);
    return len + 1;
}

void mw_html_unescape(struct mw_slice text, struct mw_buf *out)
{
    while (text.len > 0) {
        ptrdiff_t at = mw_slice_find(text, '&');
        struct mw_slice plain = at < 0 ? text : mw_slice_take(text, (size_t)at);
        if (mw_buf_add(out, plain) != MW_OK)
            return;
        text = mw_slice_skip(text, plain.len);
        if (text.len == 0)
            return;
        char value[MW_HTML_REFERENCE_MAX];
        size_t len = 1, used = mw_html_reference(text, false, value, &len);
        if (mw_buf_add(out, used > 0 ? MW_SLICE(value, len) : MW_LIT("&")) != MW_OK)
            return;
        text = mw_slice_skip(text, used > 0 ? used : 1);
    }
}
