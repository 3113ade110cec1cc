// SPDX-License-Identifier: MIT
pragma solidity ^0.8.20;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// A vault with requests (ERC-7540): deposits and redemptions wait until somebody settles them, at the price of that
/// moment, and are then claimed. It earns when somebody sends it tokens. For local chains only.
contract DevAsyncVault is ERC4626 {
    event DepositRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 assets
    );
    event RedeemRequest(
        address indexed controller, address indexed owner, uint256 indexed requestId, address sender, uint256 shares
    );

    mapping(address => uint256) public pendingAssets;
    mapping(address => uint256) public pendingShares;
    mapping(address => uint256) public claimableAssets;
    mapping(address => uint256) public sharesToClaim;
    mapping(address => uint256) public claimableShares;
    mapping(address => uint256) public assetsToClaim;
    uint256 private _reserved;

    constructor(IERC20 token, string memory shareName, string memory shareSymbol)
        ERC20(shareName, shareSymbol)
        ERC4626(token)
    {}

    function supportsInterface(bytes4 id) external pure returns (bool) {
        return id == 0x01ffc9a7 || id == 0xce3bbe50 || id == 0x620ee8e4;
    }

    /// Money of requests, and of redemptions that were not claimed, belongs to nobody's shares.
    function totalAssets() public view override returns (uint256) {
        return super.totalAssets() - _reserved;
    }

    function requestDeposit(uint256 assets, address controller, address owner) external returns (uint256) {
        require(owner == msg.sender && assets > 0, "request");
        IERC20(asset()).transferFrom(owner, address(this), assets);
        _reserved += assets;
        pendingAssets[controller] += assets;
        emit DepositRequest(controller, owner, 0, msg.sender, assets);
        return 0;
    }

    function requestRedeem(uint256 shares, address controller, address owner) external returns (uint256) {
        require(owner == msg.sender && shares > 0, "request");
        _transfer(owner, address(this), shares);
        pendingShares[controller] += shares;
        emit RedeemRequest(controller, owner, 0, msg.sender, shares);
        return 0;
    }

    function settle(address controller) external {
        uint256 assets = pendingAssets[controller];
        uint256 shares = pendingShares[controller];
        uint256 bought = convertToShares(assets);
        uint256 paid = convertToAssets(shares);
        (pendingAssets[controller], pendingShares[controller]) = (0, 0);
        _reserved = _reserved - assets + paid;
        _mint(address(this), bought);
        _burn(address(this), shares);
        claimableAssets[controller] += assets;
        sharesToClaim[controller] += bought;
        claimableShares[controller] += shares;
        assetsToClaim[controller] += paid;
    }

    function pendingDepositRequest(uint256, address controller) external view returns (uint256) {
        return pendingAssets[controller];
    }

    function claimableDepositRequest(uint256, address controller) external view returns (uint256) {
        return claimableAssets[controller];
    }

    function pendingRedeemRequest(uint256, address controller) external view returns (uint256) {
        return pendingShares[controller];
    }

    function claimableRedeemRequest(uint256, address controller) external view returns (uint256) {
        return claimableShares[controller];
    }

    function deposit(uint256 assets, address receiver, address controller) external returns (uint256 shares) {
        require(controller == msg.sender && assets > 0, "claim");
        shares = sharesToClaim[controller] * assets / claimableAssets[controller];
        claimableAssets[controller] -= assets;
        sharesToClaim[controller] -= shares;
        _transfer(address(this), receiver, shares);
    }

    function redeem(uint256 shares, address receiver, address controller) public override returns (uint256 assets) {
        require(controller == msg.sender && shares > 0, "claim");
        assets = assetsToClaim[controller] * shares / claimableShares[controller];
        claimableShares[controller] -= shares;
        assetsToClaim[controller] -= assets;
        _reserved -= assets;
        IERC20(asset()).transfer(receiver, assets);
    }

    function previewDeposit(uint256) public pure override returns (uint256) {
        revert("asynchronous");
    }

    function previewRedeem(uint256) public pure override returns (uint256) {
        revert("asynchronous");
    }
}
