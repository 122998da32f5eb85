

9
android*http://schemas.android.com/apk/res/androidmanifest"packageorg.example.old"R
*http://schemas.android.com/apk/res/androidcompileSdkVersion29"(òŠ„2:0"(platformBuildVersionCode29"2:0"T
*http://schemas.android.com/apk/res/androidcompileSdkVersionCodename10.0.0(óŠ„""platformBuildVersionName10.0.0*
    _*¶
­uses-sdk"N
*http://schemas.android.com/apk/res/androidminSdkVersion21"(Œ„„2:0"Q
*http://schemas.android.com/apk/res/androidtargetSdkVersion29"(ğ„„2:0*
    I*m
euses-permission"R
*http://schemas.android.com/apk/res/androidnameandroid.permission.CAMERA(ƒ€„*
    @*T
Lapplication"=
*http://schemas.android.com/apk/res/androidlabelold(€„*	
'